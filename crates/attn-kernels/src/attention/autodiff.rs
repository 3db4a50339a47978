//! Attention in burn's graph of gradients.

use super::ops::AttentionOps;
use super::tensors::{Gradients, Inputs};
use crate::maybe::Maybe;
use crate::parameters::Options;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as Graph;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend};

/// The node of the context.
#[derive(Debug)]
struct Context;

/// The node of the log-sum-exp.
#[derive(Debug)]
struct LogSumExp;

/// What both nodes keep for the backward pass.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    query: NodeId,
    key: NodeId,
    value: NodeId,
    bias: Maybe<B>,
    sink: Maybe<B>,
    context: FloatTensor<B>,
    statistics: FloatTensor<B>,
    options: Options,
}

impl<B: Backend> State<B> {
    fn inputs(&self, checkpointer: &mut Checkpointer) -> Inputs<B> {
        Inputs {
            query: checkpointer.retrieve_node_output(self.query),
            key: checkpointer.retrieve_node_output(self.key),
            value: checkpointer.retrieve_node_output(self.value),
            bias: self.bias.clone(),
            sink: self.sink.clone(),
        }
    }
}

impl<B: Backend + AttentionOps> Backward<B, 5> for Context {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 5>, graph: &mut Graph, checkpointer: &mut Checkpointer) {
        let gradient = Maybe::Present(graph.consume::<B>(&ops.node));
        backward(ops, gradient, Maybe::Absent, graph, checkpointer);
    }
}

impl<B: Backend + AttentionOps> Backward<B, 5> for LogSumExp {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 5>, graph: &mut Graph, checkpointer: &mut Checkpointer) {
        let gradient = Maybe::Present(graph.consume::<B>(&ops.node));
        backward(ops, Maybe::Absent, gradient, graph, checkpointer);
    }
}

fn backward<B: Backend + AttentionOps>(
    ops: Ops<State<B>, 5>,
    grad_context: Maybe<B>,
    grad_log_sum_exp: Maybe<B>,
    graph: &mut Graph,
    checkpointer: &mut Checkpointer,
) {
    let Ops { parents: [query, key, value, bias, sink], state, .. } = ops;
    let inputs = state.inputs(checkpointer);
    let State { context, statistics, options, .. } = state;
    // In the slots of absent tensors stands the query.
    let bias = bias.filter(|_| inputs.bias.as_ref().is_some());
    let sink = sink.filter(|_| inputs.sink.as_ref().is_some());
    let gradients = B::attention_backward(
        inputs,
        context,
        statistics,
        grad_context,
        grad_log_sum_exp,
        bias.is_some(),
        options,
    );
    let parents = [
        (query, Some(gradients.query)),
        (key, Some(gradients.key)),
        (value, Some(gradients.value)),
        (bias, gradients.bias.into_option()),
        (sink, gradients.sink.into_option()),
    ];
    for (parent, gradient) in parents {
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            graph.register::<B>(parent.id, gradient);
        }
    }
}

impl<B: Backend + AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attention(inputs: Inputs<Self>, options: Options) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match Context.prepare::<C>(nodes(&inputs)).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let [query, key, value] =
                    [&inputs.query, &inputs.key, &inputs.value].map(|t| prep.checkpoint(t));
                let inputs = inner(inputs);
                let (bias, sink) = (inputs.bias.clone(), inputs.sink.clone());
                let (context, statistics) = <B as AttentionOps>::attention(inputs, options.clone());
                let constants = <Self as AutodiffBackend>::from_inner(statistics.clone());
                let state = State {
                    query,
                    key,
                    value,
                    bias,
                    sink,
                    context: context.clone(),
                    statistics,
                    options,
                };
                (prep.finish(state, context), constants)
            }
            OpsKind::UnTracked(prep) => {
                let (context, statistics) = <B as AttentionOps>::attention(inner(inputs), options);
                (prep.finish(context), <Self as AutodiffBackend>::from_inner(statistics))
            }
        }
    }

    fn attention_log_sum_exp(
        inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        options: Options,
    ) -> FloatTensor<Self> {
        let (context, statistics) = (context.into_primitive(), statistics.into_primitive());
        let nodes = nodes(&inputs);
        let ids = [&inputs.query, &inputs.key, &inputs.value];
        match LogSumExp.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let [query, key, value] = ids.map(|tensor| prep.checkpoint(tensor));
                let inputs = inner(inputs);
                let (bias, sink) = (inputs.bias.clone(), inputs.sink.clone());
                let log_sum_exp = B::attention_log_sum_exp(
                    inputs,
                    context.clone(),
                    statistics.clone(),
                    options.clone(),
                );
                let state = State { query, key, value, bias, sink, context, statistics, options };
                prep.finish(state, log_sum_exp)
            }
            OpsKind::UnTracked(prep) => {
                let inputs = inner(inputs);
                prep.finish(B::attention_log_sum_exp(inputs, context, statistics, options))
            }
        }
    }

    /// Of tensors that are not tracked; the gradient has no gradient.
    fn attention_backward(
        inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        grad_context: Maybe<Self>,
        grad_log_sum_exp: Maybe<Self>,
        bias_gradient: bool,
        options: Options,
    ) -> Gradients<Self> {
        let required = [&inputs.query, &inputs.key, &inputs.value, &context, &statistics];
        let optional = [&inputs.bias, &inputs.sink, &grad_context, &grad_log_sum_exp];
        let tracked = required.into_iter().chain(optional.into_iter().filter_map(Maybe::as_ref));
        assert!(
            !tracked.into_iter().any(|tensor| tensor.is_tracked()),
            "attention is differentiable once: its gradient cannot be tracked"
        );
        let Gradients { query, key, value, bias, sink } = B::attention_backward(
            inner(inputs),
            context.into_primitive(),
            statistics.into_primitive(),
            grad_context.map(|tensor| tensor.into_primitive()),
            grad_log_sum_exp.map(|tensor| tensor.into_primitive()),
            bias_gradient,
            options,
        );
        Gradients {
            query: <Self as AutodiffBackend>::from_inner(query),
            key: <Self as AutodiffBackend>::from_inner(key),
            value: <Self as AutodiffBackend>::from_inner(value),
            bias: bias.map(<Self as AutodiffBackend>::from_inner),
            sink: sink.map(<Self as AutodiffBackend>::from_inner),
        }
    }
}

/// The parents of a node: all tensors, the query once more in the slot of each absent one.
fn nodes<B: Backend, C: CheckpointStrategy>(inputs: &Inputs<Autodiff<B, C>>) -> [NodeGuard; 5] {
    let Inputs { query, key, value, bias, sink } = inputs;
    let bias = bias.as_ref().unwrap_or(query);
    let sink = sink.as_ref().unwrap_or(query);
    [query.node(), key.node(), value.node(), bias.node(), sink.node()]
}

fn inner<B: Backend, C: CheckpointStrategy>(inputs: Inputs<Autodiff<B, C>>) -> Inputs<B> {
    Inputs {
        query: inputs.query.into_primitive(),
        key: inputs.key.into_primitive(),
        value: inputs.value.into_primitive(),
        bias: inputs.bias.map(|bias| bias.into_primitive()),
        sink: inputs.sink.map(|sink| sink.into_primitive()),
    }
}
