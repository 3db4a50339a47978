//! What a trained model is asked: sentences, lines of standard input, or a file of pairs.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use attn_generate::BeamConfig;
use attn_train::data::read_pairs;

use super::console::Console;
use super::{PairArgs, chain};
use crate::translation::{CorpusRecord, EncodeError, Translation, Translator, draw, report};
use crate::{Error, IoError, RunDir, same_file};

impl PairArgs {
    /// Refuses files to be written that cannot be, or that are read too: before a model is loaded
    /// from the folder `run`.
    ///
    /// # Errors
    ///
    /// Names the file.
    pub fn check_outputs(&self, run: &Path) -> Result<(), Error> {
        let options = &self.translating;
        for path in [&options.picture, &options.hypotheses].into_iter().flatten() {
            check_folder(path)?;
            let run = RunDir::open(run)?;
            // One that is damaged is an error where it is needed.
            let data =
                CorpusRecord::load(&run.data()).map_or(Vec::new(), |data| data.corpus.paths());
            for (inputs, what) in [
                (run.files(), "a file of the run"),
                (Vec::from_iter(options.test.clone()), "the file of test pairs"),
                (data, "a file that the run was trained on"),
                (vec![PathBuf::from("/dev/stdin")], "what standard input reads"),
            ] {
                inputs.iter().try_for_each(|input| same_file::refuse(path, input, what))?;
            }
        }
        Ok(())
    }

    /// Answers as the command line says: translates the sentences of the command line or the lines
    /// of standard input, or scores the translations of a file of pairs.
    ///
    /// # Errors
    ///
    /// Fails if anything given is wrong. A line of standard input that is costs its own answer
    /// alone, and the failure comes at the end; nobody who types needs to hear of it again.
    pub fn answer(&self, mut translator: Translator, console: &mut Console) -> Result<(), Error> {
        let options = &self.translating;
        if self.data.truncate {
            translator = translator.truncating();
        }
        let beam = options.beam(&translator);
        beam.validate()?;
        if let Some(file) = &options.test {
            return test(&translator, file, options.hypotheses.as_deref(), &beam, console);
        }
        let mut session = Session { translator, beam, picture: options.picture.clone() };
        if self.text.is_empty() {
            return session.lines(options.window, console);
        }
        let mut sources = Vec::new();
        for (index, text) in self.text.iter().enumerate() {
            let place = || format!("argument {}", index + 1);
            sources.push(session.encode(text, place)?);
        }
        session.answer(&sources, console)
    }
}

/// Better now than after the work: there must be a folder to write into.
fn check_folder(path: &Path) -> Result<(), IoError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(IoError::writing(path)(io::Error::from(io::ErrorKind::NotFound)))
        }
        _ => Ok(()),
    }
}

/// Translates the sources of a file of pairs and scores the translations against its targets.
fn test(
    translator: &Translator,
    file: &Path,
    hypotheses: Option<&Path>,
    beam: &BeamConfig,
    console: &mut Console,
) -> Result<(), Error> {
    let pairs = read_pairs(file)?;
    console.say(&format!("translating {} sentences", pairs.len()));
    let outputs = translator.translate_pairs(&pairs, file, beam)?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    if let Some(path) = hypotheses {
        let text: String = texts.iter().map(|text| format!("{text}\n")).collect();
        attn_files::write(path, text.as_bytes()).map_err(IoError::writing(path))?;
    }
    console.print(&report::scores(&texts, &pairs))?;
    Ok(console.print(&report::scores_by_length(&texts, &pairs))?)
}

/// Sentences, however they come.
struct Session {
    translator: Translator,
    beam: BeamConfig,
    /// What is still to be drawn, for the first sentence.
    picture: Option<PathBuf>,
}

impl Session {
    /// Translates the lines of the input, those together that come together. Of a blank line, and of
    /// one that cannot be used, the answer is a blank line.
    fn lines(&mut self, window: Option<usize>, console: &mut Console) -> Result<(), Error> {
        let interactive = console.input.interactive;
        if interactive {
            console.say("a sentence a line; Ctrl-D ends");
        }
        let (mut done, mut refused) = (0, 0);
        loop {
            let lines = console.input.next_lines(window);
            if lines.is_empty() {
                break;
            }
            let mut sources = Vec::new();
            for line in lines {
                done += 1;
                let place = || format!("standard input:{done}");
                let source = match line {
                    Ok(text) => self.encode(&text, place).map_err(|error| chain(&error)),
                    Err(error) => Err(format!("{}: {}", place(), chain(&error))),
                };
                sources.push(source.unwrap_or_else(|message| {
                    refused += 1;
                    console.warn(&message);
                    Vec::new()
                }));
            }
            self.answer(&sources, console)?;
        }
        if refused > 0 && !interactive {
            return Err(Error::Lines { refused, lines: done });
        }
        Ok(())
    }

    /// The tokens of a sentence; none of a blank one.
    fn encode(&self, text: &str, place: impl FnOnce() -> String) -> Result<Vec<u32>, EncodeError> {
        if text.trim().is_empty() { Ok(Vec::new()) } else { self.translator.encode(text, place) }
    }

    /// Prints the translations of sentences, in their order.
    fn answer(&mut self, sources: &[Vec<u32>], console: &mut Console) -> Result<(), Error> {
        let found = self.translator.search(sources, &self.beam)?;
        let first =
            sources.iter().zip(&found).find_map(|(source, all)| Some((source, all.first()?)));
        if let (Some(path), Some((source, best))) = (&self.picture, first) {
            draw(&self.translator, source, best, path)?;
            self.picture = None;
        }
        let mut printed = String::new();
        for translations in &found {
            self.format(&mut printed, translations);
        }
        Ok(console.print(&printed)?)
    }

    /// The best translation alone, or the `n_best` with their scores and a blank line behind them.
    fn format(&self, printed: &mut String, translations: &[Translation]) {
        if self.beam.n_best == 1 {
            let best = translations.first().map_or("", |best| best.text.as_str());
            writeln!(printed, "{best}").expect("writing to a string cannot fail");
            return;
        }
        for Translation { text, score, .. } in translations {
            writeln!(printed, "{score:.4}\t{text}").expect("writing to a string cannot fail");
        }
        printed.push('\n');
    }
}
