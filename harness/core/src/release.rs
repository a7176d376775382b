//! Released versions of plugins, Multus and Terway: three numbers, compared as such.

use serde::{Deserialize, Serialize};

/// A released version, such as 1.15.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl Release {
    /// A version of three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first version in a text that a plugin or an image tag says of itself, such as `CNI portmap plugin v1.9.1` or
    /// `v1.15.3-ea2b3c4-aliyun`. Of the four numbers of early tags (`v1.0.10.333-gfd2b7b8-aliyun`) the first three count; without
    /// the `v` four numbers are a registry's address.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '@'))
            .filter(|word| word.contains('.'))
            .find_map(|word| word.parse().ok().or_else(|| Self::of_four(word)))
    }

    fn of_four(word: &str) -> Option<Self> {
        let numbers = word.strip_prefix('v')?.split(['-', '+']).next()?;
        let (three, fourth) = numbers.rsplit_once('.')?;
        fourth.parse::<u32>().ok()?;
        three.parse().ok().filter(|_| three.matches('.').count() == 2)
    }
}

impl std::str::FromStr for Release {
    type Err = String;

    /// Reads `1.15.0`, `v1.15.0` and `1.15`; what follows a `-` or `+` is a build's name and left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no version, such as 1.15.0");
        let bare = text.trim().trim_start_matches('v');
        let numbers = bare.split(['-', '+']).next().unwrap_or_default();
        let parts =
            numbers.split('.').map(|part| part.parse::<u32>().map_err(|_| wrong())).collect::<Result<Vec<_>, _>>()?;
        match parts[..] {
            [major, minor] => Ok(Self { major, minor, patch: 0 }),
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Release {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(version: Release) -> Self {
        version.to_string()
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<Release>().unwrap();
        assert!(version("1.5.6") < version("v1.15.0"));
        assert_eq!(version("1.15"), Release::new(1, 15, 0));
        assert_eq!(version("v1.9.1-rc1+x"), Release::new(1, 9, 1));
        for text in ["", "1", "one.two", "1.2.3.4", "1..2", "-1.2"] {
            assert!(text.parse::<Release>().unwrap_err().contains("no version"), "{text}");
        }
    }

    #[test]
    fn a_version_is_found_where_programs_say_it() {
        assert_eq!(
            Release::find("CNI portmap plugin v1.9.1\nCNI protocol versions supported: 0.1.0"),
            Some(Release::new(1, 9, 1))
        );
        assert_eq!(Release::find("registry.example/acs/terway:v1.15.3-ab12"), Some(Release::new(1, 15, 3)));
        assert_eq!(Release::find("r.example/acs/terway:v1.0.10.333-gfd2b7b8-aliyun"), Some(Release::new(1, 0, 10)));
        assert_eq!(Release::find("10.0.0.1:5000/acs/terway:v1.5.8"), Some(Release::new(1, 5, 8)));
        assert_eq!(Release::find("CNI portmap plugin version unknown"), None);
    }
}
