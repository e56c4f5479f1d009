//! Telling code, comments and literals of Rust source apart.

/// The source twice, each with everything else blanked, so that lines keep their numbers.
pub(super) struct Masked {
    pub(super) code: String,
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Separates code from comments; text inside string and character literals is in neither.
pub(super) fn mask(source: &str) -> Masked {
    let characters: Vec<char> = source.chars().collect();
    let mut masked = Masked { code: String::new(), comments: String::new() };
    let mut at = 0;
    while at < characters.len() {
        let after_word = at > 0 && is_word(characters[at - 1]);
        let (kind, length) = token(&characters[at..], after_word);
        for &character in &characters[at..at + length] {
            let blank = if character == '\n' { '\n' } else { ' ' };
            masked.code.push(if kind == Kind::Code { character } else { blank });
            masked.comments.push(if kind == Kind::Comment { character } else { blank });
        }
        at += length;
    }
    masked
}

/// Tells whether the character can be part of an identifier.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the kind and the length, at least 1, of what `rest` begins with.
fn token(rest: &[char], after_word: bool) -> (Kind, usize) {
    match rest {
        ['/', '/', ..] => (Kind::Comment, rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())),
        ['/', '*', ..] => (Kind::Comment, block_comment(rest)),
        ['"', ..] => (Kind::Literal, string(rest)),
        ['\'', '\\', _, ..] => {
            let closing = rest[3..].iter().position(|&c| c == '\'');
            (Kind::Literal, closing.map_or(rest.len(), |offset| offset + 4))
        }
        ['\'', _, '\'', ..] => (Kind::Literal, 3),
        ['r', ..] if !after_word => raw_string(rest, 1),
        ['b' | 'c', 'r', ..] if !after_word => raw_string(rest, 2),
        _ => (Kind::Code, 1),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                2
            }
            ['*', '/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '"' => return at + 1,
            '\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Measures the raw string whose hashes begin at `prefix`; a raw identifier such as `r#type` is code.
fn raw_string(rest: &[char], prefix: usize) -> (Kind, usize) {
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        return (Kind::Code, 1);
    }
    let closes =
        |at: usize| rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    let end = (start..rest.len()).find(|&at| closes(at)).map_or(rest.len(), |at| at + 1 + hashes);
    (Kind::Literal, end)
}

#[cfg(test)]
mod tests {
    use super::mask;

    fn code(source: &str) -> String {
        let masked = mask(source).code;
        assert_eq!(masked.chars().count(), source.chars().count());
        masked.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g /// h"), "a c g");
        assert_eq!(mask("a // b\n/* c */ d").comments.trim(), "// b\n/* c */");
    }

    #[test]
    fn literals_are_not_code() {
        assert_eq!(code(r#"a("b \" c", b"d", 'e', '\'', '\u{1F600}') f"#), "a( , b , , , ) f");
        assert_eq!(code("r\"a\" b r#\"c \" d\"# e br##\"f\"# g\"## h"), "b e h");
        assert_eq!(code("\"// no comment\" a"), "a");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        assert_eq!(code("fn a<'a>(r#type: &'a str, hr: u8) {}"), "fn a<'a>(r#type: &'a str, hr: u8) {}");
    }

    #[test]
    fn an_unfinished_token_ends_with_the_file() {
        for source in ["/* a", "\"a", "\"\\", "r#\"a\"", "'\\n", "'\\", "r", "br#"] {
            assert_eq!(mask(source).code.chars().count(), source.chars().count(), "{source}");
        }
    }
}
