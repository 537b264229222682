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
import starling.device.ProductRows;
import starling.device.Rope;
import starling.device.Slab;
import starling.device.Statistics;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The Llama decoder: RMS norm, rotary embeddings, grouped-query attention, SwiGLU. Six operators a
 * layer, four in a step; the statistics that the norms need travel with the rows.
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

  /**
   * What turns queries and keys by their positions; another one when {@link #reach} was further.
   */
  Rope angles() {
    return angles.table();
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
    return Rows.of(
        arena.empty("rows", dtype, count, config.hiddenSize()),
        arena.empty("qkv", dtype, count, (heads + 2 * keyHeads) * head),
        arena.empty("q", dtype, count, heads * head).split(heads, head),
        arena.empty("attention", dtype, count, heads * head),
        arena.empty("mlp", dtype, count, config.intermediateSize()),
        Statistics.of(device, arena, count, config.hiddenSize()));
  }

  /**
   * The activations of T rows, and the views that the operators take of them.
   *
   * @param knowing what the products before which there is a norm know of x
   * @param leaving what the products that make x leave of it
   * @param last the last row of x
   * @param knowingLast what the product with it knows
   */
  record Rows(
      Tensor x,
      Tensor qkv,
      Tensor q,
      Tensor attn,
      Tensor mlp,
      Statistics statistics,
      Tensor attnHeads,
      ProductRows knowing,
      ProductRows leaving,
      Tensor last,
      ProductRows knowingLast) {
    static Rows of(Tensor x, Tensor qkv, Tensor q, Tensor attn, Tensor mlp, Statistics statistics) {
      Tensor own = statistics.of(x);
      return new Rows(
          x,
          qkv,
          q,
          attn,
          mlp,
          statistics,
          attn.split(q.dim(1), q.dim(2)),
          ProductRows.knowing(own),
          ProductRows.leaving(own),
          x.rows(x.rows() - 1, x.rows()),
          ProductRows.knowing(statistics.ofLast(x)));
    }

    /** The first {@code n} rows. */
    Rows first(int n) {
      return cut(x.rows(0, n));
    }

    /** Those from row {@code from} on. */
    Rows behind(int from) {
      int to = x.rows();
      return of(
          x.rows(from, to),
          qkv.rows(from, to),
          q.rows(from, to),
          attn.rows(from, to),
          mlp.rows(from, to),
          statistics);
    }

    /** The rows that a cut leaves, and room for them in the rest. */
    Rows cut(Tensor x) {
      int n = x.rows();
      return of(x, qkv.rows(0, n), q.rows(0, n), attn.rows(0, n), mlp.rows(0, n), statistics);
    }

    /** All of them, as {@link #attend} left them. */
    Attended attended() {
      return new Attended(x, attn, null);
    }
  }

  /**
   * What the second half of a layer is made of.
   *
   * @param x as it was before the layer
   * @param attn its attention
   * @param rows i32: which of these rows go on; null for all
   */
  record Attended(Tensor x, Tensor attn, Tensor rows) {}

  /** Memory for the keys and values of this decoder's layers. */
  KvPool pool(Slab slab) {
    return new KvPool(device, slab, dtype, config.numKeyValueHeads(), head);
  }

  /** Rows of the vocabulary. */
  void embed(Tensor out /* [T, D] */, Tensor ids /* i32 [T] */) {
    device.embed(out, ids, embedTokens);
  }

  /** Rows that no layer has made are about to enter the first. */
  void enter(Rows r) {
    Tensor entering = r.statistics.of(r.x);
    if (entering != null) {
      device.rowStatistics(entering, r.x);
    }
  }

  /**
   * The first half of layer {@code l}: norm, projections, rotary embedding, cache, attention.
   *
   * @param in of {@code r}'s queries
   */
  void attend(int l, Rows r, AttentionInputs in, Tensor positions, Tensor lse) {
    project(l, r, r.knowing);
    device.rope(r.q, in.kv(), r.qkv, positions, angles.table());
    device.attention(r.attnHeads, lse, in);
  }

  private void project(int l, Rows r, ProductRows knowing) {
    Layer layer = layers.get(l);
    device.gemm(r.qkv, r.x, layer.qkv, layer.inputNorm, Activation.NONE, null, knowing);
  }

  /**
   * The second half: output projection, norm, MLP. Row by row, so that a cut may stand before it.
   *
   * @param r the rows that go on
   * @param from what they are made of
   */
  void finish(int l, Rows r, Attended from) {
    var around = new ProductRows(null, from.rows, r.leaving.statistics());
    device.gemm(r.x, from.attn, layers.get(l).o, null, Activation.NONE, from.x, around);
    mlp(l, r);
  }

  private void mlp(int l, Rows r) {
    Layer layer = layers.get(l);
    device.gemm(
        r.mlp, r.x, layer.gateUp, layer.postAttentionNorm, Activation.SILU_MUL, null, r.knowing);
    device.gemm(r.x, r.mlp, layer.down, null, Activation.NONE, r.x, r.leaving);
  }

  /** Layer {@code l} on the rows of a step, which stand where the segments say. */
  void step(int l, Rows r, AttentionInputs in) {
    project(l, r, l == 0 ? ProductRows.NONE : r.knowing); // an embedding has no statistics
    device.stepAttention(
        r.x, r.leaving.statistics(), r.qkv, in, angles.table(), r.attn, layers.get(l).o, r.x);
    mlp(l, r);
  }

  /** f32 logits of every row that the last layer has made. */
  void stepLogits(Tensor out /* f32 [T, V] */, Rows r) {
    device.gemm(out, r.x, lmHead, norm, Activation.NONE, null, r.knowing);
  }

  /** f32 logits of the last of the rows that the last layer has made. */
  void logits(Tensor out /* f32 [1, V] */, Rows r) {
    device.gemm(out, r.last, lmHead, norm, Activation.NONE, null, r.knowingLast);
  }
}
