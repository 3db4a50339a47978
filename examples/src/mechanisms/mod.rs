//! The program `mechanisms`: every attention of the family on one task.

mod args;
mod contest;
mod decode;
mod family;
mod memory;
mod model;
mod table;
mod task;

pub use args::Args;

use crate::device::DeviceError;
use crate::exit::{self, BAD_INPUT, Ending, Failure, OutputError, WENT_WRONG};
use burn::tensor::Device;
use clap::ValueEnum;
use family::Member;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// `--only` names nobody.
    #[error("there is no mechanism {name:?}; `--list` prints the names")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// The folder for the pictures cannot be made.
    #[error("{} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The results cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A training failed.
    #[error(transparent)]
    Train(#[from] attn_train::TrainError),
    /// A picture failed.
    #[error(transparent)]
    Picture(#[from] attn_viz::PictureError),
}

impl Failure for Error {
    fn status(&self) -> u8 {
        match self {
            Self::Output(error) => error.status(),
            Self::Train(_) => WENT_WRONG,
            _ => BAD_INPUT,
        }
    }
}

/// Runs the program.
pub fn main(args: &Args) -> ExitCode {
    exit::code(run(args).map(|()| Ending::Done))
}

fn run(args: &Args) -> Result<(), Error> {
    if args.list {
        return family::members().iter().try_for_each(|member| print(member.name));
    }
    let device = args.device.open()?;
    if args.decode {
        return decode::table(&device, print);
    }
    if let Some(name) = &args.measure {
        if let Some(bytes) = memory::measure(&named(name)?, &device) {
            print(&bytes.to_string())?;
        }
        return Ok(());
    }
    let members = match args.only.as_slice() {
        [] => family::members(),
        names => names.iter().map(|name| named(name)).collect::<Result<_, _>>()?,
    };
    let path = args.out.clone();
    fs::create_dir_all(&path).map_err(|source| Error::Folder { path, source })?;
    compete(&members, args, &device)?;
    print(&format!("\npictures of the weights: {}", args.out.display()))
}

/// One row after the other, as they come.
fn compete(members: &[Member], args: &Args, device: &Device) -> Result<(), Error> {
    print(&table::head(args))?;
    let name = args.device.to_possible_value().map_or_else(String::new, |v| v.get_name().into());
    for member in members {
        let outcome = contest::contest(member, args, device)?;
        let memory = memory::ask(member, &name);
        print(&table::row(member, &outcome, memory, args))?;
    }
    Ok(())
}

/// Prints a line of results, as it comes.
fn print(line: &str) -> Result<(), Error> {
    let mut output = io::stdout();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(OutputError)?;
    Ok(())
}

fn named(name: &str) -> Result<Member, Error> {
    let member = family::members().into_iter().find(|member| member.name == name);
    member.ok_or_else(|| Error::Name { name: name.into() })
}
