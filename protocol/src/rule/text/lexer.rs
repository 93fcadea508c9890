//! A rule's text, word by word.

use super::RuleError;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A key word, a number, an address, a pattern.
    Word(String),
    /// What stood in double quotes.
    Text(String),
    /// What stood between slashes, escapes unresolved.
    Expression(String),
    /// One of `( ) , : = < > ~`.
    Sign(char),
}

/// The words of a text, each with the byte at which it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, RuleError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some(&(at, letter)) = rest.peek() {
        let follows = |sign| matches!(tokens.last(), Some((_, Token::Sign(last))) if *last == sign);
        let token = match letter {
            letter if letter.is_whitespace() => {
                rest.next();
                continue;
            }
            // In a word it is a character like others: `#31#`.
            '#' if !follows('=') => {
                while rest.next_if(|&(_, letter)| letter != '\n').is_some() {}
                continue;
            }
            '"' => {
                rest.next();
                Token::Text(quoted(at, &mut rest)?)
            }
            '/' if follows('~') => {
                rest.next();
                Token::Expression(expression(at, &mut rest)?)
            }
            '(' | ')' | ',' | '=' | '<' | '>' | '~' => {
                rest.next();
                Token::Sign(letter)
            }
            ':' if matches!(tokens.last(), Some((_, Token::Text(_)))) => {
                rest.next();
                Token::Sign(letter)
            }
            _ => {
                let mut word = String::new();
                while let Some((_, letter)) = rest.next_if(|&(_, letter)| is_in_word(letter)) {
                    word.push(letter);
                }
                Token::Word(word)
            }
        };
        tokens.push((at, token));
    }
    Ok(tokens)
}

/// Whether a letter can stand in a word; what cannot ends it.
pub(super) const fn is_in_word(letter: char) -> bool {
    !letter.is_whitespace() && !matches!(letter, '"' | '(' | ')' | ',' | '=' | '<' | '>' | '~')
}

type Letters<'a> = core::iter::Peekable<core::str::CharIndices<'a>>;

/// The rest of a string, up to and without its closing quote.
fn quoted(at: usize, rest: &mut Letters<'_>) -> Result<String, RuleError> {
    let mut text = String::new();
    while let Some((_, letter)) = rest.next() {
        match letter {
            '"' => return Ok(text),
            '\\' => match rest.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                _ => {
                    return Err(error(
                        at,
                        r#"in quotes, a backslash is written \\ and a quote \""#,
                    ));
                }
            },
            letter if letter.is_control() => {
                return Err(error(at, "a text in quotes ends on the line on which it begins"));
            }
            letter => text.push(letter),
        }
    }
    Err(error(at, "the closing quote of this text is missing"))
}

/// The rest of an expression, up to and without its closing slash.
fn expression(at: usize, rest: &mut Letters<'_>) -> Result<String, RuleError> {
    let mut pattern = String::new();
    while let Some((_, letter)) = rest.next() {
        match letter {
            '/' => return Ok(pattern),
            '\\' => {
                pattern.push(letter);
                pattern.extend(rest.next().map(|(_, escaped)| escaped));
            }
            letter => pattern.push(letter),
        }
    }
    Err(error(at, "the closing slash of this expression is missing"))
}

fn error(at: usize, says: &str) -> RuleError {
    RuleError { at, says: says.to_owned() }
}
