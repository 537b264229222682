package starling.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.TextConfig;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Slab;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The Llama decoder: RMS norm, rotary embeddings, grouped-query attention, SwiGLU. Six operators a
 * layer.
 */
final class Decoder {
  private record Layer(
      Norm inputNorm, Linear qkv, Linear o, Norm postAttentionNorm, Linear gateUp, Linear down) {}

  private final Device device;
  private final TextConfig config;
  private final DType dtype;
  private final int head;
  private final float scale;
  private final Tensor embedTokens; // [V, D]
  private final List<Layer> layers = new ArrayList<>();
  private final Norm norm;
  private final Linear lmHead;
  private final Angles angles;

  Decoder(
      Device device,
      TensorArena arena,
      DType dtype,
      TextConfig config,
      DecoderWeights w,
      int[] sections) {
    this.device = device;
    this.config = config;
    this.dtype = dtype;
    this.head = device.headSize(config.headDim());
    this.scale = (float) (1 / Math.sqrt(config.headDim()));
    this.embedTokens = device.table(arena, dtype, w.embedTokens());
    for (DecoderWeights.Layer layer : w.layers()) {
      layers.add(layer(arena, layer));
    }
    this.norm = norm(arena, w.norm());
    this.lmHead = device.linear(arena, dtype, Linear.Source.of(w.lmHead(), null));
    this.angles = new Angles(device, arena, config, sections);
  }

  private Layer layer(TensorArena arena, DecoderWeights.Layer w) {
    int d = config.headDim();
    var qkv =
        new Linear.Source(
            List.of(w.qWeight(), w.kWeight(), w.vWeight()),
            Arrays.asList(w.qBias(), w.kBias(), w.vBias()),
            d,
            0);
    var o = new Linear.Source(List.of(w.oWeight()), Arrays.asList(w.oBias()), 0, d);
    var gateUp =
        new Linear.Source(
            List.of(w.gateWeight(), w.upWeight()), Arrays.asList(w.gateBias(), w.upBias()), 0, 0);
    return new Layer(
        norm(arena, w.inputNorm()),
        device.linear(arena, dtype, qkv),
        device.linear(arena, dtype, o),
        norm(arena, w.postAttentionNorm()),
        device.linear(arena, dtype, gateUp),
        device.linear(arena, dtype, Linear.Source.of(w.downWeight(), w.downBias())));
  }

  private Norm norm(TensorArena arena, StoredTensor weight) {
    return new Norm(device.table(arena, dtype, weight), null, config.rmsNormEps());
  }

  /** Makes sure that positions below {@code positions} can be told apart. */
  void reach(int positions) {
    angles.reach(positions);
  }

  int layers() {
    return layers.size();
  }

  /** Bytes of the weights that one row passes, as they lie on the device. */
  long bytes() {
    long sum = lmHead.bytes();
    for (Layer layer : layers) {
      sum += layer.qkv.bytes() + layer.o.bytes() + layer.gateUp.bytes() + layer.down.bytes();
    }
    return sum;
  }

  float scale() {
    return scale;
  }

  /** Activations of T rows; every layer overwrites them. */
  Rows rows(TensorArena arena, int count) {
    int heads = config.numAttentionHeads();
    int keyHeads = config.numKeyValueHeads();
    return new Rows(
        arena.empty("rows", dtype, count, config.hiddenSize()),
        arena.empty("qkv", dtype, count, (heads + 2 * keyHeads) * head),
        arena.empty("q", dtype, count, heads * head).split(heads, head),
        arena.empty("attention", dtype, count, heads * head),
        arena.empty("mlp", dtype, count, config.intermediateSize()),
        heads,
        head);
  }

  /** The activations of T rows, and the views that the operators take of them. */
  record Rows(Tensor x, Tensor qkv, Tensor q, Tensor attn, Tensor mlp, Tensor attnHeads) {
    Rows(Tensor x, Tensor qkv, Tensor q, Tensor attn, Tensor mlp, int heads, int head) {
      this(x, qkv, q, attn, mlp, attn.split(heads, head));
    }

    /** The first {@code n} rows. */
    Rows first(int n) {
      return cut(x.rows(0, n), attn.rows(0, n));
    }

    /**
     * The rows that a cut leaves: gathered residual and attention, and room for them in the rest.
     */
    Rows cut(Tensor x, Tensor attn) {
      int n = x.rows();
      return new Rows(x, qkv.rows(0, n), q.rows(0, n), attn, mlp.rows(0, n), q.dim(1), q.dim(2));
    }
  }

  /** Memory for the keys and values of this decoder's layers. */
  KvPool pool(Slab slab) {
    return new KvPool(device, slab, dtype, config.numKeyValueHeads(), head);
  }

  /** Rows of the vocabulary. */
  void embed(Tensor out /* [T, D] */, Tensor ids /* i32 [T] */) {
    device.embed(out, ids, embedTokens);
  }

  /**
   * The first half of layer {@code l}: norm, projections, rotary embedding, cache, attention.
   *
   * @param in of {@code r}'s queries
   * @param positions null for those that the segments say
   */
  void attend(int l, Rows r, AttentionInputs in, Tensor positions, Tensor lse) {
    Layer layer = layers.get(l);
    device.gemm(r.qkv, r.x, layer.qkv, layer.inputNorm, Activation.NONE, null);
    device.rope(r.q, in.kv(), r.qkv, positions, angles.table());
    device.attention(r.attnHeads, lse, in);
  }

  /**
   * The second half: output projection, norm, MLP. Row by row, so that a cut may stand before it.
   */
  void finish(int l, Rows r) {
    Layer layer = layers.get(l);
    device.gemm(r.x, r.attn, layer.o, null, Activation.NONE, r.x);
    device.gemm(r.mlp, r.x, layer.gateUp, layer.postAttentionNorm, Activation.SILU_MUL, null);
    device.gemm(r.x, r.mlp, layer.down, null, Activation.NONE, r.x);
  }

  /** f32 logits of one row. */
  void logits(Tensor out /* f32 [1, V] */, Tensor x /* [1, D] */) {
    device.gemm(out, x, lmHead, norm, Activation.NONE, null);
  }
}
