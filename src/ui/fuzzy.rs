//! Finding names by a few of their letters.

/// How far `name` is from what was typed: 0 begins with it, 1 has a word that does, 2 holds it, above it only has the letters in
/// this order, the further apart the more; `None` where it has not. Case does not count.
pub(super) fn distance(name: &str, typed: &str) -> Option<u32> {
    let (name, typed) = (name.to_lowercase(), typed.trim().to_lowercase());
    if let Some(at) = name.find(&typed) {
        let is_word = name[..at].ends_with(|c: char| !c.is_alphanumeric());
        return Some(match at {
            0 => 0,
            _ if is_word => 1,
            _ => 2,
        });
    }
    let mut letters = name.chars();
    let mut gaps = 0;
    for wanted in typed.chars().filter(|c| !c.is_whitespace()) {
        loop {
            if letters.next()? == wanted {
                break;
            }
            gaps += 1;
        }
    }
    Some(3 + gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_come_before_words_before_insides_before_scattered_letters() {
        let ranks =
            ["hat", "straw hat", "chat", "hot apple tart"].map(|name| distance(name, "Hat"));
        assert!(ranks.is_sorted() && ranks[3] > Some(2), "{ranks:?}");
        assert_eq!(distance("coat", "hat"), None);
        assert_eq!(distance("anything", ""), Some(0));
    }
}
