//! Tokens for people to look at.

use tokenizers::DecoderWrapper;

use super::{SPECIALS, Tokenizer, TokenizerError};

impl Tokenizer {
    /// One label per id, for pictures and logs, not to be read back: a space is `▁`, a character
    /// that cannot be printed is escaped (`\n`), a byte of a split character is `⟨e2⟩`.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn labels(&self, ids: &[u32]) -> Result<Vec<String>, TokenizerError> {
        ids.iter().map(|&id| self.label(id)).collect()
    }

    fn label(&self, id: u32) -> Result<String, TokenizerError> {
        let token = self.token(id)?;
        let byte_level = matches!(self.inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        if (id as usize) < SPECIALS.len() {
            return Ok(token);
        }
        let bytes: Option<Vec<u8>> =
            if byte_level { token.chars().map(byte_of).collect() } else { None };
        let bytes = bytes.unwrap_or_else(|| token.into_bytes());

        let mut label = String::new();
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| push_visible(&mut label, c));
            chunk.invalid().iter().for_each(|byte| label.push_str(&format!("⟨{byte:02x}⟩")));
        }
        Ok(label)
    }
}

fn push_visible(label: &mut String, c: char) {
    match c {
        ' ' => label.push('▁'),
        // Quotes and backslashes print as they are; `escape_debug` would escape them too.
        _ if c.is_control() || c.is_whitespace() => label.extend(c.escape_debug()),
        _ => label.push(c),
    }
}

/// The byte that a character of a byte-level vocabulary stands for.
///
/// GPT-2 writes each byte as a printable character: those that are printable in Latin-1 as
/// themselves, the other 68 in order from U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    match u8::try_from(c) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => {
            let index = (c as usize).checked_sub(0x100)?;
            (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth(index)
        }
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..)
}
