//! What to say to somebody who wrote a name that is not there.

/// The nearest of the valid names, or all of them where none is near.
pub fn instead<'a>(wrong: &str, valid: impl Iterator<Item = &'a str>) -> String {
    let valid: Vec<&str> = valid.collect();
    let nearest = valid.iter().min_by_key(|name| distance(wrong, name));
    match nearest {
        Some(name) if is_near(wrong, name) => format!("did you mean `{name}`?"),
        Some(_) => {
            let all: Vec<String> = valid.iter().map(|name| format!("`{name}`")).collect();
            format!("there {} {}", if all.len() == 1 { "is only" } else { "are" }, all.join(", "))
        }
        None => "there is none".into(),
    }
}

/// Whether a slip of the fingers explains it, or a name that was not written to its end.
pub(crate) fn is_near(wrong: &str, name: &str) -> bool {
    let distance = distance(wrong, name);
    (distance < name.len() && distance <= 1.max(name.len() / 3))
        || (wrong.len() >= 3 && name.starts_with(wrong))
}

fn distance(wrong: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_else_all_of_them() {
        let valid = || ["cgroup-v2", "subreaper"].into_iter();
        assert_eq!(instead("cgroup", valid()), "did you mean `cgroup-v2`?");
        assert_eq!(instead("Subreeper", valid()), "did you mean `subreaper`?");
        assert_eq!(instead("x", valid()), "there are `cgroup-v2`, `subreaper`");
        assert_eq!(instead("x", std::iter::once("process")), "there is only `process`");
    }
}
