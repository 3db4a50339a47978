//! Attention within a sequence, over a tape of all states so far: the LSTMN.
//!
//! | type | equation | time and memory | paper |
//! |---|---|---|---|
//! | [`TapeCell`] | `a_i = v · tanh(W_h h_i + W_x x_t + W_h̃ h̃_{t−1})`, then an LSTM from `Σ s_i (h_i, c_i)` | steps² · width | Cheng et al. 2016, section 3.2 |
//!
//! ```
//! use attn_core::tape::{Tape, TapeCellConfig};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::default();
//! let [batch, steps, d_input, d_hidden] = [2, 5, 3, 4];
//! let cell = TapeCellConfig::new(d_input, d_hidden).init(&device);
//! let input = Tensor::ones([batch, steps, d_input], &device);
//!
//! // Of the second sequence, only three steps are real.
//! let mut tape = Tape::padded([5, 3]);
//! let read = cell.forward_with_weights(input, &mut tape);
//! assert_eq!(read.hidden.dims(), [batch, steps, d_hidden]);
//! assert_eq!(read.weights.dims(), [batch, steps, steps]);
//!
//! // The tape goes on where it ended; here with a step behind the end of both.
//! let hidden = cell.step(Tensor::ones([batch, d_input], &device), &mut tape);
//! assert_eq!(hidden.into_data(), Tensor::<2>::zeros([batch, d_hidden], &device).into_data());
//! ```

mod cell;
mod written;

pub use cell::{TapeCell, TapeCellConfig, TapeRead};
pub use written::Tape;
