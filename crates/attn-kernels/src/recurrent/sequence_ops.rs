//! Layers along their sequences as operations of the processor backends.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use crate::cpu::isa;
use crate::cpu::sequence::{
    Kind, OutputGradients, Sequences, backward, forward, of_bias, of_weight,
};
use crate::maybe::Maybe;
use crate::slices::{SliceBackend, contiguous, for_slice_backends, modified, slice, tensor};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
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
    let (outputs, last) =
        sequence(projected, weight, cell.into_dispatch(), hidden, dropout_factors, spec);
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
    let (outputs, last) =
        sequence(projected, weight, bias.into_dispatch(), hidden, dropout_factors, spec);
    (outputs, last.squeeze_dim(0))
}

/// Hidden states of all steps, and the last states, `[states, rows, d]`.
fn sequence(
    projected: Tensor<3>,
    weight: Tensor<2>,
    cell_or_bias: FloatTensor<Dispatch>,
    hidden: Tensor<2>,
    dropout_factors: Option<Tensor<2>>,
    spec: SequenceSpec,
) -> (Tensor<3>, Tensor<3>) {
    let last = LastStates::default();
    let outputs = <Dispatch as SequenceOps>::recurrent_sequence(
        projected.into_dispatch(),
        weight.into_dispatch(),
        cell_or_bias,
        hidden.into_dispatch(),
        Maybe::from_option(dropout_factors.map(Tensor::into_dispatch)),
        spec,
        last.clone(),
    );
    let states = <Dispatch as SequenceOps>::last_states(outputs.clone(), last);
    (Tensor::from_dispatch(outputs), Tensor::from_dispatch(states))
}

/// A node of burn's graph has one result. The last states are that of a node of their own, behind the
/// sequence's, and this is where the two meet: forwards the states go through it, and backwards their
/// gradient, while all that the graph adds to the gradient of the outputs is a zero.
#[derive(Clone, Debug, Default)]
pub struct LastStates(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl LastStates {
    fn put<B: Backend>(&self, states: FloatTensor<B>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(states));
    }

    fn take<B: Backend>(&self) -> Option<FloatTensor<B>> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(*states.downcast().expect("both nodes are of one backend"))
    }
}

/// Which cell goes along which steps.
#[derive(Clone, Debug)]
pub struct SequenceSpec {
    kind: Kind,
    lengths: Arc<[usize]>,
    reverse: bool,
}

impl SequenceSpec {
    pub(super) fn new(kind: Kind, lengths: &[usize], reverse: bool) -> Self {
        Self { kind, lengths: lengths.into(), reverse }
    }
}

/// A layer along its sequences.
#[backend_extension(
    NdArray: cfg(feature = "ndarray"),
    Flex: cfg(feature = "flex"),
    Autodiff
)]
pub trait SequenceOps: Backend {
    /// Hidden states of all steps. `cell_or_bias` is the first memory cell of an LSTM, the bias of a GRU.
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cell_or_bias: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        #[extension_type] dropout_factors: Maybe<Self>,
        spec: SequenceSpec,
        last: LastStates,
    ) -> FloatTensor<Self>;

    /// The last states that belong to these outputs.
    fn last_states(outputs: FloatTensor<Self>, last: LastStates) -> FloatTensor<Self>;
}

for_slice_backends!(SequenceOps {
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cell_or_bias: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        dropout_factors: Maybe<Self>,
        spec: SequenceSpec,
        last: LastStates,
    ) -> FloatTensor<Self> {
        run::<Self>(projected, Inputs::new(weight, cell_or_bias, hidden, dropout_factors), spec, last).output
    }

    fn last_states(_: FloatTensor<Self>, last: LastStates) -> FloatTensor<Self> {
        last.take::<Self>().expect("a sequence puts them there")
    }
});

/// What a layer reads at all steps, in order.
#[derive(Clone, Debug)]
struct Inputs<B: Backend> {
    weight: FloatTensor<B>,
    cell_or_bias: FloatTensor<B>,
    hidden: FloatTensor<B>,
    dropout_factors: Option<FloatTensor<B>>,
}

impl<B: SliceBackend<f32>> Inputs<B> {
    fn new(
        weight: FloatTensor<B>,
        cell_or_bias: FloatTensor<B>,
        hidden: FloatTensor<B>,
        dropout_factors: Maybe<B>,
    ) -> Self {
        let [weight, cell_or_bias, hidden] =
            [weight, cell_or_bias, hidden].map(contiguous::<B, f32>);
        Self {
            weight,
            cell_or_bias,
            hidden,
            dropout_factors: dropout_factors.into_option().map(contiguous::<B, f32>),
        }
    }

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

/// What the forward pass computed, and what the backward pass needs.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    inputs: Inputs<B>,
    spec: SequenceSpec,
    last: LastStates,
    gates: FloatTensor<B>,
    extra: FloatTensor<B>,
    output: FloatTensor<B>,
}

fn run<B: SliceBackend<f32>>(
    projected: FloatTensor<B>,
    inputs: Inputs<B>,
    spec: SequenceSpec,
    last: LastStates,
) -> State<B> {
    let device = projected.device();
    let [steps, rows, _] = projected.shape().dims();
    let [_, d] = inputs.hidden.shape().dims();
    let mut made = None;
    // Where they are, if nobody else reads them.
    let gates = modified::<B, f32>(projected, |gates| {
        made = Some(forward(isa(), inputs.sequences(&spec, steps), gates));
    });
    let [output, extra, states] = made.expect("what changes is changed once");
    let [output, extra] = [output, extra].map(|x| tensor::<B, f32>(x, [steps, rows, d], &device));
    last.put::<B>(tensor::<B, f32>(states, [spec.kind.states(), rows, d], &device));
    State { inputs, spec, last, gates, extra, output }
}

/// The node of the result.
#[derive(Debug)]
struct Sequence;

impl<B: SliceBackend<f32>> Backward<B, 5> for Sequence {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 5>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops {
            node,
            parents: [projected, weight, cell_or_bias, hidden, dropout_factors],
            state,
        } = ops;
        let State { inputs, spec, last, gates, extra, output } = state;
        let device = output.device();
        let [steps, rows, d] = output.shape().dims::<3>();
        let zeros =
            |dims: [usize; 3]| tensor::<B, f32>(vec![0.0; dims.iter().product()], dims, &device);
        let mut gradient = contiguous::<B, f32>(graph.consume::<B>(&node));
        if gradient.shape() != output.shape() {
            // The zero alone: no loss depends on the outputs.
            gradient = zeros([steps, rows, d]);
        }
        let last = last.take::<B>().unwrap_or_else(|| zeros([spec.kind.states(), rows, d]));
        let last = contiguous::<B, f32>(last);
        let sequences = inputs.sequences(&spec, steps);
        let dropout_factors = dropout_factors.filter(|_| inputs.dropout_factors.is_some());

        let (mut of_start, mut of_gates) = (None, None);
        let extra = modified::<B, f32>(extra, |extra| {
            of_gates = Some(modified::<B, f32>(gates, |gates| {
                let [output, gradient, last] = [&output, &gradient, &last].map(slice::<B, f32>);
                let (passed, places) = (OutputGradients { output, gradient, last }, [gates, extra]);
                let gradients =
                    backward(isa(), sequences, passed, places, dropout_factors.is_some());
                of_start = Some(gradients);
            }));
        });
        let of_start = of_start.expect("what changes is changed once");
        let of_gates = of_gates.expect("what changes is changed once");
        let [output, gates, extra] = [&output, &of_gates, &extra].map(slice::<B, f32>);
        if let Some(parent) = weight {
            let of_weight = of_weight(sequences, output, gates, extra);
            let of_weight = tensor::<B, f32>(of_weight, inputs.weight.shape(), &device);
            graph.register::<B>(parent.id, of_weight);
        }
        if let Some(parent) = cell_or_bias {
            let of_cell_or_bias = match spec.kind {
                Kind::Lstm => of_start.cell,
                Kind::Gru => of_bias(isa(), sequences, gates, extra),
            };
            let of_cell_or_bias =
                tensor::<B, f32>(of_cell_or_bias, inputs.cell_or_bias.shape(), &device);
            graph.register::<B>(parent.id, of_cell_or_bias);
        }
        for (parent, of) in [(hidden, of_start.hidden), (dropout_factors, of_start.dropout_factors)]
        {
            if let Some(parent) = parent {
                graph
                    .register::<B>(parent.id, tensor::<B, f32>(of, inputs.hidden.shape(), &device));
            }
        }
        if let Some(parent) = projected {
            graph.register::<B>(parent.id, of_gates);
        }
    }
}

/// The node of the last states.
#[derive(Debug)]
struct States;

impl<B: SliceBackend<f32>> Backward<B, 1> for States {
    type State = LastStates;

    fn backward(self, ops: Ops<LastStates, 1>, graph: &mut Gradients, _: &mut Checkpointer) {
        let Ops { node, parents: [outputs], state } = ops;
        let gradient = graph.consume::<B>(&node);
        if let Some(parent) = outputs {
            let zero = tensor::<B, f32>(vec![0.0], [1, 1, 1], &gradient.device());
            state.put::<B>(gradient);
            graph.register::<B>(parent.id, zero);
        }
    }
}

impl<B: SliceBackend<f32> + SequenceOps, C: CheckpointStrategy> SequenceOps for Autodiff<B, C> {
    fn recurrent_sequence(
        projected: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cell_or_bias: FloatTensor<Self>,
        hidden: FloatTensor<Self>,
        dropout_factors: Maybe<Self>,
        spec: SequenceSpec,
        last: LastStates,
    ) -> FloatTensor<Self> {
        // In the slot of factors that are absent stands the input, whose gradient is not asked twice.
        let nodes = [
            projected.node(),
            weight.node(),
            cell_or_bias.node(),
            hidden.node(),
            dropout_factors.as_ref().unwrap_or(&projected).node(),
        ];
        let projected = projected.into_primitive();
        let [weight, cell_or_bias, hidden] =
            [weight, cell_or_bias, hidden].map(|x| x.into_primitive());
        let dropout_factors: Maybe<B> =
            dropout_factors.map(|dropout_factors| dropout_factors.into_primitive());
        match Sequence.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = run::<B>(
                    projected,
                    Inputs::new(weight, cell_or_bias, hidden, dropout_factors),
                    spec,
                    last,
                );
                let output = state.output.clone();
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::recurrent_sequence(
                projected,
                weight,
                cell_or_bias,
                hidden,
                dropout_factors,
                spec,
                last,
            )),
        }
    }

    fn last_states(outputs: FloatTensor<Self>, last: LastStates) -> FloatTensor<Self> {
        let node = outputs.node();
        let states = B::last_states(outputs.into_primitive(), last.clone());
        match States.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(last, states),
            OpsKind::UnTracked(prep) => prep.finish(states),
        }
    }
}
