//! What has been written so far.

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// What a [`TapeCell`](super::TapeCell) has written so far: all hidden states and memories of a batch.
///
/// A batch may be padded at the end: the tape then knows the lengths, and counts its steps. A step
/// behind the end of a sequence takes a place on the tape, so that the batch stays a tensor, but
/// what it holds is 0, no weight is on it, and the sequence is left as it was.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(super) lengths: Option<Vec<usize>>,
    pub(super) steps: usize,
    pub(super) written: Option<Written>,
}

/// A tape that is not empty, for not all devices have empty tensors.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// `h_1 …`, `[batch, steps, d_hidden]`
    pub(super) hidden: Tensor<3>,
    /// `c_1 …`, `[batch, steps, d_hidden]`
    pub(super) memory: Tensor<3>,
    /// `W_h h_1 …`, `[batch, steps, d_attention]`
    pub(super) projected: Tensor<3>,
    /// `h̃` of the last step, `[batch, d_hidden]`
    pub(super) summary: Tensor<2>,
}

impl Tape {
    /// Nothing yet, of a batch all of whose steps are real.
    pub fn start() -> Self {
        Self::default()
    }

    /// Nothing yet, of a batch whose sequences end after so many steps.
    pub fn padded(lengths: impl Into<Vec<usize>>) -> Self {
        Self { lengths: Some(lengths.into()), ..Self::default() }
    }

    /// Number of steps so far, the padded ones too.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// `h_1 …`, `[batch, steps, d_hidden]`; none at the start.
    pub fn hidden(&self) -> Option<Tensor<3>> {
        self.written.as_ref().map(|written| written.hidden.clone())
    }

    /// `c_1 …`, `[batch, steps, d_hidden]`; none at the start.
    pub fn memory(&self) -> Option<Tensor<3>> {
        self.written.as_ref().map(|written| written.memory.clone())
    }

    /// The tape without its past gradients, for truncated backpropagation.
    pub fn detach(self) -> Self {
        let written = self.written.map(|written| Written {
            hidden: written.hidden.detach(),
            memory: written.memory.detach(),
            projected: written.projected.detach(),
            summary: written.summary.detach(),
        });
        Self { written, ..self }
    }

    /// Which sequences have ended before each of the next steps, `[batch, steps]`; none where none
    /// has.
    pub(super) fn ended(&self, steps: usize, device: &Device) -> Option<Tensor<2, Bool>> {
        let lengths = self.lengths.as_ref()?;
        if lengths.iter().all(|&length| self.steps + steps <= length) {
            return None;
        }
        let next = self.steps..self.steps + steps;
        let ended: Vec<bool> = lengths
            .iter()
            .flat_map(|&length| next.clone().map(move |step| step >= length))
            .collect();
        let device = device.clone().without_autodiff();
        Some(Tensor::from_data(TensorData::new(ended, [lengths.len(), steps]), &device))
    }

    pub(super) fn write(
        &mut self,
        hidden: Tensor<2>,
        memory: Tensor<2>,
        projected: Tensor<2>,
        summary: Tensor<2>,
    ) {
        let [hidden, memory, projected] =
            [hidden, memory, projected].map(|row| row.unsqueeze_dim::<3>(1));
        self.steps += 1;
        self.written = Some(match self.written.take() {
            None => Written { hidden, memory, projected, summary },
            Some(tape) => Written {
                hidden: Tensor::cat(vec![tape.hidden, hidden], 1),
                memory: Tensor::cat(vec![tape.memory, memory], 1),
                projected: Tensor::cat(vec![tape.projected, projected], 1),
                summary,
            },
        });
    }
}
