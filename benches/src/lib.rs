#![doc = include_str!("../README.md")]

pub mod attention;
pub mod burn_layers;
pub mod command;
pub mod contest;
pub mod device;
pub mod machine;
pub mod native;
pub mod ours;
pub mod process;
pub mod pytorch;
pub mod report;
pub mod scaling;
pub mod setting;
pub mod table;
