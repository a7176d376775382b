//! Which profile: the one asked for; else `upstream` or `hermetic` if a cluster of it is up; else `upstream` where its
//! images can be had, and `hermetic` where not. The choice comes with its reason.

/// The profile of published images.
pub const UPSTREAM: &str = "upstream";
/// The profile that is built here.
pub const HERMETIC: &str = "hermetic";

/// A profile chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Profile name.
    pub profile: String,
    /// Why.
    pub reason: String,
}

/// Whether an image can be had, as probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAvailability {
    /// The engine has it.
    AtHand,
    /// Its registry offers it.
    ToBePulled,
    /// Neither: what was tried, and how it ended.
    No(String),
}

/// Decides by what is known without a probe; none means that the images have to be looked for.
/// `up` names the profiles of our clusters that are up, newest first.
pub fn known(asked: Option<&str>, up: &[String]) -> Option<Choice> {
    if let Some(asked) = asked {
        return Some(Choice { profile: asked.to_owned(), reason: "asked for by --profile".to_owned() });
    }
    // Profiles for certain scenarios (three nodes, other ranges) are asked for by name alone, up or not.
    let warm = up.iter().find(|profile| [UPSTREAM, HERMETIC].contains(&profile.as_str()))?;
    Some(Choice { profile: warm.clone(), reason: "a cluster of it is up".to_owned() })
}

/// Decides by whether the upstream profile's images can be had.
pub fn by_images(images: &[(String, ImageAvailability)]) -> Choice {
    for (image, had) in images {
        if let ImageAvailability::No(tried) = had {
            let reason =
                format!("{image} is not at hand and not to be pulled ({tried}), so it is built from pinned sources");
            return Choice { profile: HERMETIC.to_owned(), reason };
        }
    }
    let at_hand = images.iter().all(|(_, had)| *had == ImageAvailability::AtHand);
    let reason = if at_hand { "its pinned images are at hand" } else { "its registry offers its pinned images" };
    Choice { profile: UPSTREAM.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_comes_first_then_what_is_up() {
        let up = [HERMETIC.to_owned()];
        assert_eq!(known(Some("x"), &up).unwrap().profile, "x");
        assert_eq!(known(None, &up).unwrap().profile, HERMETIC);
        assert_eq!(known(None, &[]), None);
    }

    #[test]
    fn a_profile_of_another_purpose_is_not_taken_because_it_is_up() {
        let other = "three-nodes".to_owned();
        assert_eq!(known(None, std::slice::from_ref(&other)), None);
        assert_eq!(known(None, &[other, HERMETIC.to_owned()]).unwrap().profile, HERMETIC);
    }

    #[test]
    fn one_image_that_is_not_to_be_had_means_building() {
        let images =
            |had: ImageAvailability| [("node".to_owned(), ImageAvailability::ToBePulled), ("multus".to_owned(), had)];
        assert_eq!(by_images(&images(ImageAvailability::AtHand)).profile, UPSTREAM);
        let built = by_images(&images(ImageAvailability::No("no such host".into())));
        assert_eq!(built.profile, HERMETIC);
        assert!(built.reason.contains("multus") && built.reason.contains("no such host"));
    }
}
