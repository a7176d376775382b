//! Chooses the profile, with a reason: the requested one; else `upstream` or `hermetic` if such a cluster is up; else
//! `upstream` if its images are available; else `hermetic`.

/// The profile of published images.
pub const UPSTREAM: &str = "upstream";
/// The profile that is built here.
pub const HERMETIC: &str = "hermetic";

/// A chosen profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Profile name.
    pub profile: String,
    /// The reason.
    pub reason: String,
}

/// The probed availability of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAvailability {
    /// The engine has it.
    Local,
    /// Its registry offers it.
    Pullable,
    /// Neither: the result of the probe.
    Unavailable(String),
}

/// Chooses without a probe; none means that the images must be probed.
/// `up` has the profiles of Plumbline's running clusters, newest first.
pub fn choose_known(requested: Option<&str>, up: &[String]) -> Option<Choice> {
    if let Some(requested) = requested {
        return Some(Choice { profile: requested.to_owned(), reason: "requested with --profile".to_owned() });
    }
    // Profiles for special scenarios (three nodes, other ranges) are used only by name, even if their cluster is up.
    let warm = up.iter().find(|profile| [UPSTREAM, HERMETIC].contains(&profile.as_str()))?;
    Some(Choice { profile: warm.clone(), reason: "a cluster of it is up".to_owned() })
}

/// Chooses by the availability of the upstream profile's images.
pub fn choose_by_images(images: &[(String, ImageAvailability)]) -> Choice {
    for (image, availability) in images {
        if let ImageAvailability::Unavailable(tried) = availability {
            let reason =
                format!("{image} is neither local nor pullable ({tried}), so Plumbline builds it from pinned sources");
            return Choice { profile: HERMETIC.to_owned(), reason };
        }
    }
    let local = images.iter().all(|(_, availability)| *availability == ImageAvailability::Local);
    let reason = if local { "the engine has its pinned images" } else { "its registry offers its pinned images" };
    Choice { profile: UPSTREAM.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requested_profile_wins_over_a_running_one() {
        let up = [HERMETIC.to_owned()];
        assert_eq!(choose_known(Some("x"), &up).unwrap().profile, "x");
        assert_eq!(choose_known(None, &up).unwrap().profile, HERMETIC);
        assert_eq!(choose_known(None, &[]), None);
    }

    #[test]
    fn a_running_profile_for_special_scenarios_is_not_chosen() {
        let other = "three-nodes".to_owned();
        assert_eq!(choose_known(None, std::slice::from_ref(&other)), None);
        assert_eq!(choose_known(None, &[other, HERMETIC.to_owned()]).unwrap().profile, HERMETIC);
    }

    #[test]
    fn an_unavailable_image_selects_the_hermetic_profile() {
        let images = |availability: ImageAvailability| {
            [("node".to_owned(), ImageAvailability::Pullable), ("multus".to_owned(), availability)]
        };
        assert_eq!(choose_by_images(&images(ImageAvailability::Local)).profile, UPSTREAM);
        let built = choose_by_images(&images(ImageAvailability::Unavailable("no such host".into())));
        assert_eq!(built.profile, HERMETIC);
        assert!(built.reason.contains("multus") && built.reason.contains("no such host"));
    }
}
