#![doc = include_str!("../README.md")]

pub mod batch;
pub mod checkpoint;
pub mod config;
mod config_error;
pub mod data;
pub mod evaluate;
pub mod log;
pub mod loss;
pub mod metrics;
pub mod objective;
pub mod optimizer;
pub mod progress;
pub mod schedule;
pub mod source;
pub mod stop;
pub mod tokenizer;
pub mod trainer;
mod with_options;

pub use attn_kernels::keep_freed_memory;
pub use checkpoint::{Checkpoint, CheckpointError, RunRecord};
pub use config::{ConfigError, ConfigFileError, TrainerConfig};
pub use evaluate::{Evaluation, evaluate};
pub use objective::{Objective, ObjectiveError, SequenceLoss};
pub use optimizer::AdamWConfig;
pub use progress::Progress;
pub use schedule::Schedule;
pub use source::{BatchSource, BlockSource, PairSource};
pub use stop::{StopReason, StopSignal, Stopped};
pub use trainer::{Outcome, StepReport, TrainError, Trainer};
