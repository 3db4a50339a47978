//! Configurations as JSON files: old ones load, wrong ones say where and what.

use attn_core::alignment::{AlignmentConfig, LocalPredictiveConfig};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{AdditiveConfig, ScoreConfig};
use attn_rnn::{
    BahdanauConfig, BridgeKind, CellKind, ConfigFileError, DecoderConfig, EncoderConfig,
    FlowConfig, LuongConfig, RecurrentConfig, Seq2SeqConfig,
};
use std::fs;
use tempfile::TempDir;

fn additive() -> AttentionConfig {
    AttentionConfig::new().with_score(ScoreConfig::Additive(AdditiveConfig::new(7, 8, 6)))
}

fn config(flow: FlowConfig) -> Seq2SeqConfig {
    let reader = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(3, 4) };
    Seq2SeqConfig::new(
        EncoderConfig::new(13, reader),
        DecoderConfig::new(11, RecurrentConfig::gru(5, 7), flow),
    )
}

fn bahdanau() -> FlowConfig {
    FlowConfig::Bahdanau(BahdanauConfig::new(additive(), 5))
}

#[test]
fn a_configuration_survives_its_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    let feeding = LuongConfig { input_feeding: true, ..LuongConfig::new(additive()) };
    for flow in [bahdanau(), FlowConfig::Luong(feeding), FlowConfig::Plain] {
        let config = Seq2SeqConfig { bridge: BridgeKind::Zero, ..config(flow) };
        config.save(&path).unwrap();
        assert_eq!(Seq2SeqConfig::load(&path).unwrap(), config);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "something is left beside the file");
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    let load = |json: &str| {
        fs::write(&path, json).unwrap();
        Seq2SeqConfig::load(&path)
    };
    let encoder = r#""encoder": { "vocab": 13, "recurrent": { "d_input": 3, "d_hidden": 4 } }"#;
    let recurrent = r#""recurrent": { "cell": "gru", "d_input": 5, "d_hidden": 7 }"#;
    let decoder =
        format!(r#""decoder": {{ "vocab": 11, {recurrent}, "flow": {{ "name": "plain" }} }}"#);
    let loaded = load(&format!("{{ {encoder}, {decoder} }}")).unwrap();
    assert_eq!((loaded.version, loaded.bridge), (1, BridgeKind::Dense));
    assert_eq!(loaded.encoder.recurrent.cell, CellKind::Lstm);

    let error = load(&format!("{{ {encoder}, {decoder}, \"bridges\": \"zero\" }}")).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("config.json: bridges, line 1: "), "{message}");
    assert!(message.contains("unknown field `bridges`"), "{message}");

    let error =
        load(&format!("{{ \"version\": 2, {encoder}, {decoder}, \"new\": 1 }}")).unwrap_err();
    let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "version 2 is unknown, this build reads 1 to 1");

    let error = load(&format!("{{ {encoder}, {decoder} }}").replace("13", "0")).unwrap_err();
    let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "vocab is 0, must be at least 1");
}

#[test]
fn widths_that_do_not_agree_are_refused_by_name() {
    let error = |config: &Seq2SeqConfig| config.validate().unwrap_err().to_string();
    assert_eq!(config(bahdanau()).validate(), Ok(()));

    let mut wider = config(bahdanau());
    wider.decoder.recurrent.d_hidden = 9;
    let said = "attention.score.d_query = 7 must be 9, the width of a state of the decoder";
    assert_eq!(error(&wider), said);

    let mut forwards = config(bahdanau());
    forwards.encoder.recurrent.bidirectional = false;
    let said = "attention.score.d_key = 8 must be 4, the width of an annotation";
    assert_eq!(error(&forwards), said);

    let scaled = config(FlowConfig::Luong(LuongConfig::new(AttentionConfig::new())));
    let said = "decoder.recurrent.d_hidden = 7 must be 8, the width of an annotation, with which \
                the score compares it";
    assert_eq!(error(&scaled), said);

    let centre = AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, 6, 5));
    let local = config(FlowConfig::Luong(LuongConfig::new(additive().with_alignment(centre))));
    let said = "attention: a score of d_query = 7, but an alignment of d_query = 6";
    assert_eq!(error(&local), said);

    let talking = config(FlowConfig::Luong(LuongConfig::new(additive().with_talking_heads(2))));
    assert_eq!(
        error(&talking),
        "attention.talking_heads = 2 must be 1, the number of heads of a decoder"
    );

    let none = BahdanauConfig::new(additive(), 0);
    let said = "d_output is 0, must be at least 1";
    assert_eq!(error(&config(FlowConfig::Bahdanau(none))), said);

    let all = BahdanauConfig::new(additive().with_dropout(1.0), 5);
    let said = "attention: dropout must be in [0, 1), got 1";
    assert_eq!(error(&config(FlowConfig::Bahdanau(all))), said);

    let mut both = config(bahdanau());
    both.decoder.recurrent.bidirectional = true;
    let said = "decoder.recurrent.bidirectional: a decoder has one direction";
    assert_eq!(error(&both), said);

    let mut lstmn = config(bahdanau());
    lstmn.decoder.recurrent.cell = CellKind::Lstmn;
    let said = "decoder.recurrent.cell = \"lstmn\": a decoder has lstm or gru cells";
    assert_eq!(error(&lstmn), said);
}

#[test]
fn a_bridge_of_last_states_needs_states_alike() {
    let of = |layers, d_hidden, cell| {
        let mut config = config(FlowConfig::Plain);
        config.bridge = BridgeKind::Last;
        config.decoder.recurrent =
            RecurrentConfig { layers, ..RecurrentConfig::new(cell, 5, d_hidden) };
        config.validate().map_err(|error| error.to_string())
    };
    assert_eq!(of(1, 8, CellKind::Gru), Ok(()));
    let handed = "the encoder's, which the bridge hands over as they are";
    let said = format!("decoder.recurrent.layers = 2 must be 1, {handed}");
    assert_eq!(of(2, 8, CellKind::Gru), Err(said));
    let said = format!("decoder.recurrent.d_hidden = 7 must be 8, {handed}");
    assert_eq!(of(1, 7, CellKind::Gru), Err(said));
    let said = "bridge = \"last\" needs an encoder and a decoder whose cells both have a memory cell \
                (lstm, lstmn), or both none (gru)";
    assert_eq!(of(1, 8, CellKind::Lstm), Err(said.to_string()));
}
