//! The command that translates with a trained model.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use attn_generate::BeamConfig;
use attn_train::data::{read_pairs, write_atomically};

use crate::console::Console;
use crate::io_error::IoError;
use crate::translate::args::Args;
use crate::translate::{
    Architecture, Error, Input, RunDir, Translation, Translator, picture, report,
};

/// Lines that are translated together.
const WINDOW: usize = 256;

/// Translates as the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong.
pub fn translate<C: Architecture>(
    args: &Args,
    run: &Path,
    input: &mut Input,
    console: &mut Console,
) -> Result<(), Error> {
    let device = args.device.open()?;
    let options = &args.translating;
    for path in [&options.picture, &options.hypotheses].into_iter().flatten() {
        check_folder(path)?;
    }
    let mut translator = Translator::<C>::load(&RunDir::open(run)?, &device)?;
    if args.data.truncate {
        translator = translator.truncating();
    }
    let beam = options.beam(&translator);
    beam.validate()?;

    if let Some(file) = &options.test {
        return test(&translator, file, options.hypotheses.as_deref(), &beam, console);
    }
    let mut session = Session { translator, beam, picture: options.picture.clone() };
    if args.text.is_empty() {
        if input.interactive {
            console.say("a sentence a line; Ctrl-D ends");
        }
        session.lines(input, console)
    } else {
        let place = |index| format!("argument {}", index + 1);
        session.sentences(&args.text, place, console)
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
fn test<C: Architecture>(
    translator: &Translator<C>,
    file: &Path,
    hypotheses: Option<&Path>,
    beam: &BeamConfig,
    console: &mut Console,
) -> Result<(), Error> {
    let pairs = read_pairs(file)?;
    console.say(&format!("translating {} sentences", pairs.len()));
    let outputs = translator.translate_sources(&pairs, file, beam)?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    if let Some(path) = hypotheses {
        let text: String = texts.iter().map(|text| format!("{text}\n")).collect();
        write_atomically(path, text.as_bytes()).map_err(IoError::writing(path))?;
    }
    console.print(&report::scores(&texts, &pairs))?;
    Ok(console.print(&report::scores_by_length(&texts, &pairs))?)
}

/// Sentences, however they come.
struct Session<C: Architecture> {
    translator: Translator<C>,
    beam: BeamConfig,
    /// What is still to be drawn, for the first sentence.
    picture: Option<PathBuf>,
}

impl<C: Architecture> Session<C> {
    /// Translates the lines of the input, as many together as makes sense.
    fn lines(&mut self, input: &mut Input, console: &mut Console) -> Result<(), Error> {
        let window = if input.interactive { 1 } else { WINDOW };
        let mut done = 0;
        loop {
            let place = |index| format!("standard input:{}", done + index + 1);
            let mut lines = Vec::new();
            while lines.len() < window {
                let what = place(lines.len());
                match input.line().map_err(|source| IoError { what, source })? {
                    Some(line) => lines.push(line),
                    None => break,
                }
            }
            if lines.is_empty() {
                return Ok(());
            }
            self.sentences(&lines, place, console)?;
            done += lines.len();
        }
    }

    /// Prints the translations of sentences, in their order; of a blank one, a blank line.
    fn sentences(
        &mut self,
        texts: &[String],
        place: impl Fn(usize) -> String,
        console: &mut Console,
    ) -> Result<(), Error> {
        let mut sources = Vec::new();
        for (index, text) in texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            sources.push(self.translator.encode(text, || place(index))?);
        }
        let found = self.translator.translate(&sources, &self.beam)?;
        let best = found.first().and_then(|translations| translations.first());
        if let (Some(path), Some(source), Some(best)) = (&self.picture, sources.first(), best) {
            picture::draw(&self.translator, source, best, path)?;
            self.picture = None;
        }
        let mut found = found.into_iter();
        let mut printed = String::new();
        for text in texts {
            let translations =
                if text.trim().is_empty() { Vec::new() } else { found.next().unwrap_or_default() };
            self.format(&mut printed, &translations);
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
