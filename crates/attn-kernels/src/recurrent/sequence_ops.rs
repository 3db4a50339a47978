//! Layers along their sequences as operations of the processor backends.

use crate::cpu::isa;
use crate::cpu::sequence::{
    Kind, OutputGradients, Sequences, backward, forward, of_bias, of_weight,
};
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, modified, modified_both, slice, tensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DispatchTensor, TensorMetadata};
use burn::tensor::Tensor;
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// Hidden states of all steps, and the last hidden state and memory cell.
pub(super) fn lstm(
    projected: Tensor<3>,
    weight: Tensor<2>,
    [hidden, cell]: [Tensor<2>; 2],
    dropout_factors: Option<Tensor<2>>,
    spec: SequenceSpec,
) -> (Tensor<3>, [Tensor<2>; 2]) {
    let cell = cell.into_dispatch();
    let (outputs, last) = sequence(projected, weight, cell, hidden, dropout_factors, spec);
    let [hidden, cell] =
        [0, 1].map(|state| last.clone().slice_dim(0, state..state + 1).squeeze_dim(0));
    (outputs, [hidden, cell])
}

/// Hidden states of all steps, and the last one.
pub(super) fn gru(
    projected: Tensor<3>,
    (weight, bias): (Tensor<2>, Tensor<1>),
    hidden: Tensor<2>,
    dropout_factors: Option<Tensor<2>>,
    spec: SequenceSpec,
) -> (Tensor<3>, Tensor<2>) {
    let bias = bias.into_dispatch();
    let (outputs, last) = sequence(projected, weight, bias, hidden, dropout_factors, spec);
    (outputs, last.squeeze_dim(0))
}

/// Hidden states of all steps, and the last states, `[states, rows, d]`.
fn sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    cell_or_bias: DispatchTensor,
    hidden: Tensor<2>,
    dropout_factors: Option<Tensor<2>>,
    spec: SequenceSpec,
) -> (Tensor<3>, Tensor<3>) {
    let last = LastStates::default();
    let required =
        [projected.into_dispatch(), weight.into_dispatch(), cell_or_bias, hidden.into_dispatch()];
    let operation = Sequence { spec, last: last.clone() };
    let outputs: Tensor<3> = run(operation, required, dropout_factors.map(Tensor::into_dispatch));
    let states = run(last, [outputs.clone().into_dispatch()], None);
    (outputs, states)
}

/// The last states, as an operation on the outputs: a node of burn's graph has one result. Forwards the states
/// are handed over here, and backwards their gradient; the gradient of the outputs is a zero, which the graph
/// adds to theirs.
#[derive(Clone, Debug, Default)]
struct LastStates(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl LastStates {
    fn put<B: Backend>(&self, states: FloatTensor<B>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(states));
    }

    fn take<B: Backend>(&self) -> Option<FloatTensor<B>> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(*states.downcast().expect("both nodes are of one backend"))
    }
}

impl Operation<1, 0> for LastStates {
    type Saved<B: SliceBackend<f32>> = ();

    fn forward<B: SliceBackend<f32>>(&self, _: Inputs<B>, _: [bool; 1]) -> (FloatTensor<B>, ()) {
        (self.take::<B>().expect("the sequence puts them there"), ())
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        (): (),
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 1>,
    ) {
        let zero = tensor::<B, f32>(vec![0.0], [1, 1, 1], &gradient.device());
        self.put::<B>(gradient);
        parents.register(0, zero);
    }
}

/// Which cell, the lengths of its sequences, and in which direction it reads them.
#[derive(Clone, Debug)]
pub(super) struct SequenceSpec {
    kind: Kind,
    lengths: Arc<[usize]>,
    reverse: bool,
}

impl SequenceSpec {
    pub(super) fn new(kind: Kind, lengths: &[usize], reverse: bool) -> Self {
        Self { kind, lengths: lengths.into(), reverse }
    }
}

/// Hidden states of all steps, of `projected`, the weight, the first memory cell of an LSTM or the bias of a
/// GRU, the first hidden state, and factors of dropout.
#[derive(Clone, Debug)]
struct Sequence {
    spec: SequenceSpec,
    last: LastStates,
}

/// What the backward pass needs; contiguous.
#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    constants: Constants<B>,
    gates: FloatTensor<B>,
    extra: FloatTensor<B>,
    output: FloatTensor<B>,
}

/// What a layer reads at all steps; contiguous.
#[derive(Clone, Debug)]
struct Constants<B: Backend> {
    weight: FloatTensor<B>,
    cell_or_bias: FloatTensor<B>,
    hidden: FloatTensor<B>,
    dropout_factors: Option<FloatTensor<B>>,
}

impl<B: SliceBackend<f32>> Constants<B> {
    fn sequences<'a>(&'a self, spec: &'a SequenceSpec, steps: usize) -> Sequences<'a> {
        let [_, d] = self.hidden.shape().dims();
        let cell_or_bias = slice::<B, f32>(&self.cell_or_bias);
        let (cell, bias) = match spec.kind {
            Kind::Lstm => (cell_or_bias, &[][..]),
            Kind::Gru => (&[][..], cell_or_bias),
        };
        Sequences {
            kind: spec.kind,
            lengths: &spec.lengths,
            steps,
            reverse: spec.reverse,
            d,
            weight: slice::<B, f32>(&self.weight),
            bias,
            hidden: slice::<B, f32>(&self.hidden),
            cell,
            dropout_factors: self.dropout_factors.as_ref().map(slice::<B, f32>),
        }
    }
}

impl Operation<5, 0> for Sequence {
    type Saved<B: SliceBackend<f32>> = Saved<B>;

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 5],
    ) -> (FloatTensor<B>, Saved<B>) {
        let Self { spec, last } = self;
        let ([projected, weight, cell_or_bias, hidden], dropout_factors) = inputs.split();
        let device = projected.device();
        let [steps, rows, _] = projected.shape().dims();
        let [weight, cell_or_bias, hidden] =
            [weight, cell_or_bias, hidden].map(contiguous::<B, f32>);
        let dropout_factors = dropout_factors.map(contiguous::<B, f32>);
        let constants = Constants::<B> { weight, cell_or_bias, hidden, dropout_factors };
        let [_, d] = constants.hidden.shape().dims();
        let mut made = None;
        // In the memory of `projected`, if nothing else reads it.
        let gates = modified::<B, f32>(projected, |gates| {
            made = Some(forward(isa(), constants.sequences(spec, steps), gates));
        });
        let [output, extra, states] = made.expect("`modified` calls its function");
        let [output, extra] =
            [output, extra].map(|x| tensor::<B, f32>(x, [steps, rows, d], &device));
        last.put::<B>(tensor::<B, f32>(states, [spec.kind.states(), rows, d], &device));
        (output.clone(), Saved { constants, gates, extra, output })
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        saved: Saved<B>,
        []: [FloatTensor<B>; 0],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 5>,
    ) {
        let Self { spec, last } = self;
        let Saved { constants, gates, extra, output } = saved;
        let device = output.device();
        let [steps, rows, d] = output.shape().dims::<3>();
        let zeros =
            |dims: [usize; 3]| tensor::<B, f32>(vec![0.0; dims.iter().product()], dims, &device);
        let mut gradient = contiguous::<B, f32>(gradient);
        if gradient.shape() != output.shape() {
            // The zero alone: no loss depends on the outputs.
            gradient = zeros([steps, rows, d]);
        }
        let last = last.take::<B>().unwrap_or_else(|| zeros([spec.kind.states(), rows, d]));
        let last = contiguous::<B, f32>(last);
        let sequences = constants.sequences(&spec, steps);

        let mut of_start = None;
        let (extra, of_gates) = modified_both::<B, f32>(extra, gates, |extra, gates| {
            let [output, gradient, last] = [&output, &gradient, &last].map(slice::<B, f32>);
            let (given, places) = (OutputGradients { output, gradient, last }, [gates, extra]);
            of_start = Some(backward(isa(), sequences, given, places, parents.wants(4)));
        });
        let of_start = of_start.expect("`modified` calls its function");
        let [output, gates, extra] = [&output, &of_gates, &extra].map(slice::<B, f32>);
        if parents.wants(1) {
            let of_weight = of_weight(sequences, output, gates, extra);
            let shape = constants.weight.shape();
            parents.register(1, tensor::<B, f32>(of_weight, shape, &device));
        }
        if parents.wants(2) {
            let of_cell_or_bias = match spec.kind {
                Kind::Lstm => of_start.cell,
                Kind::Gru => of_bias(isa(), sequences, gates, extra),
            };
            let shape = constants.cell_or_bias.shape();
            parents.register(2, tensor::<B, f32>(of_cell_or_bias, shape, &device));
        }
        for (slot, of) in [(3, of_start.hidden), (4, of_start.dropout_factors)] {
            if parents.wants(slot) {
                let shape = constants.hidden.shape();
                parents.register(slot, tensor::<B, f32>(of, shape, &device));
            }
        }
        parents.register(0, of_gates);
    }
}
