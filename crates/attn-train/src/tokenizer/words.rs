//! How often each word occurs in the text that a vocabulary is learned from.

use std::collections::HashMap;
use std::thread;

use super::TokenizerError;
use crate::stop::{StopSignal, Stopped};

/// Texts that a thread counts before the signal is looked at.
const CHUNK: usize = 1024;

/// How often each word occurs in `texts`, where `cut` says what the words of a text are; on all
/// processors.
pub(super) fn count<S: AsRef<str> + Send>(
    mut texts: impl Iterator<Item = S>,
    cut: &(impl Fn(&str) -> tokenizers::Result<Vec<String>> + Sync),
    stop: &StopSignal,
) -> Result<HashMap<String, u64>, TokenizerError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut counts = HashMap::new();
    loop {
        if stop.is_stopped() {
            return Err(Stopped.into());
        }
        let chunks: Vec<Vec<S>> =
            (0..processors).map(|_| texts.by_ref().take(CHUNK).collect()).collect();
        if chunks.iter().all(Vec::is_empty) {
            return Ok(counts);
        }
        let parts = thread::scope(|scope| {
            let spawn = |chunk| scope.spawn(move || count_chunk(chunk, cut));
            let threads: Vec<_> = chunks.into_iter().map(spawn).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Vec<_>>()
        });
        for part in parts {
            for (word, count) in part.map_err(TokenizerError::Library)? {
                *counts.entry(word).or_default() += count;
            }
        }
    }
}

fn count_chunk<S: AsRef<str>>(
    texts: Vec<S>,
    cut: impl Fn(&str) -> tokenizers::Result<Vec<String>>,
) -> tokenizers::Result<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    for text in texts {
        for word in cut(text.as_ref())? {
            *counts.entry(word).or_default() += 1;
        }
    }
    Ok(counts)
}
