"""Tiny models of the architectures that methods have to refuse, or that do not keep to the common shape."""

from typing import Any

from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    MPNetConfig,
    MPNetForSequenceClassification,
    PreTrainedModel,
    T5Config,
    T5ForSequenceClassification,
)

from tests.spaces.models import SIZES, VOCABULARY


def tied_bert() -> PreTrainedModel:
    """Its output layer reads the embedding table."""
    return BertForMaskedLM(BertConfig(**SIZES))


def tied_gpt2() -> PreTrainedModel:
    """Its output layer reads the embedding table."""
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=4, n_positions=64))


def t5() -> PreTrainedModel:
    """Encoder and decoder read one table; attention adds a bias for relative positions."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4,
        "num_labels": 3, "decoder_start_token_id": 0, "eos_token_id": 2,
    }  # fmt: skip
    return T5ForSequenceClassification(T5Config(**sizes))


def bart() -> PreTrainedModel:
    """Its decoder attends to the encoder."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "d_model": 32, "num_labels": 3, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    }  # fmt: skip
    return BartForSequenceClassification(BartConfig(**sizes))


def mpnet() -> PreTrainedModel:
    """Computes its attention itself."""
    return MPNetForSequenceClassification(MPNetConfig(**SIZES))


def deberta() -> PreTrainedModel:
    """Computes its attention itself, and sends relative positions through the key and query linears."""
    relative: dict[str, Any] = {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8, "share_att_key": True,
    }  # fmt: skip
    return DebertaV2ForSequenceClassification(DebertaV2Config(**SIZES, **relative))


def distilbert() -> PreTrainedModel:
    """Its attention's outputs are projected inside the attention module."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "num_labels": 3,
        "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    return DistilBertForSequenceClassification(DistilBertConfig(**sizes))


def modernbert() -> PreTrainedModel:
    """Its second layer attends to a sliding window."""
    sizes = {key: size for key, size in SIZES.items() if key != "initializer_range"}
    special: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    windows: dict[str, Any] = {"local_attention": 8, "global_attn_every_n_layers": 2}
    return ModernBertForSequenceClassification(ModernBertConfig(**sizes, **special, **windows))


def electra() -> PreTrainedModel:
    """BERT's layers, with a table narrower than they are."""
    return ElectraForSequenceClassification(ElectraConfig(**SIZES, embedding_size=16))


def llama() -> PreTrainedModel:
    """Causal, its feed-forward blocks gated; two query heads share each key head; linears have no biases."""
    sizes: dict[str, Any] = {**SIZES, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2}
    return LlamaForSequenceClassification(LlamaConfig(**sizes))
