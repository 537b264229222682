package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.checkpoint.LlavaConfig;
import starling.checkpoint.LlavaWeights;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Mask;
import starling.device.PositionRule;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.Attention;
import starling.prune.CutPoint;

/**
 * LLaVA-1.5 on a device: vision tower, projector, decoder. All arithmetic is the device's; this
 * class says in which order. One thread at a time.
 */
public final class Llava implements AutoCloseable {
  private final Device device;
  private final LlavaConfig config;
  private final DType dtype;
  private final TensorArena arena;
  private final VisionTower tower;
  private final Decoder decoder;
  private final KvPool pool;
  private final Tensor iota; // i32: 0, 1, 2 …

  /**
   * Puts the weights on the device. The mapped files behind {@code weights} must stay open as long
   * as this.
   */
  public Llava(Device device, LlavaConfig config, LlavaWeights weights, DType dtype) {
    this.device = device;
    this.config = config;
    this.dtype = dtype;
    this.arena = device.arena("weights");
    this.tower = new VisionTower(device, arena, dtype, config, weights);
    this.decoder = new Decoder(device, arena, dtype, config.text(), weights.decoder());
    this.pool = decoder.pool();
    int rows = Math.max(config.text().maxPositionEmbeddings(), config.patches() + 1);
    this.iota = arena.alloc("iota", DType.I32, rows);
    device.upload(iota, MemorySegment.ofArray(java.util.stream.IntStream.range(0, rows).toArray()));
  }

  Device device() {
    return device;
  }

  Decoder decoder() {
    return decoder;
  }

  KvPool pool() {
    return pool;
  }

  public LlavaConfig config() {
    return config;
  }

  public DType dtype() {
    return dtype;
  }

  /** Bytes of the weights that one decode step reads. */
  public long decoderBytes() {
    return decoder.bytes();
  }

  /**
   * Reads the prompt and draws the first token:
   *
   * <pre>
   *   pixels → tower → [stage 1] → projector → rows of the pictures ┐
   *   ids    → embeddings             → rows of the text            ┴→ layers, [stage 2] in one of them → logits
   * </pre>
   *
   * @throws InputException if the pruning does not fit, or the prompt is beyond the context
   */
  public Session prefill(Request request) {
    var plan = Plan.of(config, request);
    Footprint.check(config, plan, dtype, decoder.bytes());
    var session = new Session(this, request, plan);
    try (TensorArena work = device.arena("prefill")) {
      var pruner = session.pruner(iota, work);
      Decoder.Rows rows = decoder.rows(work, plan.layout().rows());
      // Before the tower: an upload waits for what is already to be done.
      Tensor ids = work.alloc("ids", DType.I32, request.ids().length);
      device.upload(ids, MemorySegment.ofArray(request.ids()));
      long start = device.mark();
      encode(request, plan, rows.x(), pruner, work);
      long seen = device.mark();
      embed(plan.layout(), rows.x(), ids);
      Tensor last = decode(session, request, plan, rows, pruner, work);
      session.begin(last, start, seen);
    } catch (RuntimeException e) {
      session.close();
      throw e;
    }
    return session;
  }

  private void encode(Request request, Plan plan, Tensor x, Pruner pruner, TensorArena work) {
    int side = config.vision().imageSize();
    for (int image = 0; image < request.pixels().size(); image++) {
      request.progress().at("vision", image, request.pixels().size());
      Span patches = plan.layout().pictures().get(image);
      Tensor pixels = work.alloc("pixels", DType.F32, 3, side, side);
      device.upload(pixels, MemorySegment.ofArray(request.pixels().get(image)));
      try (TensorArena activations = device.arena("picture")) {
        tower.encode(
            x.rows(patches.from() - tower.cls(), patches.to()), pixels, image, pruner, activations);
      }
    }
  }

  private void embed(Layout layout, Tensor x, Tensor ids) {
    for (Layout.Text text : layout.texts()) {
      Span to = text.rows();
      decoder.embed(x.rows(to.from(), to.to()), ids.rows(text.id(), text.id() + to.length()));
    }
  }

  /** Runs the layers over the prompt, with the cuts inside them; returns the last row. */
  private Tensor decode(
      Session s, Request request, Plan plan, Decoder.Rows rows, Pruner pruner, TensorArena work) {
    Layout layout = plan.layout();
    Tensor positions = iota.rows(0, layout.rows());
    Mask mask = Mask.CAUSAL;
    if (pruner.masks()) {
      var hidden = pruner.hide(layout, positions, plan.capacity(0), PositionRule.CONTIGUOUS);
      positions = hidden.positions();
      mask = new Mask(true, hidden.hidden());
    }
    for (int l = 0; l < decoder.layers(); l++) {
      request.progress().at("prefill", l, decoder.layers());
      CutPoint cut = pruner.inDecoder(l + 1);
      Tensor lse =
          cut == null ? null : work.alloc("lse", DType.F32, rows.q().dim(1), layout.rows());
      var in = new AttentionInputs(rows.q(), s.cache().get(l), mask, decoder.scale());
      decoder.attend(l, rows, in, positions, lse);
      s.entered(l, mask);
      if (cut != null && pruner.masks()) {
        var seen = attentions(in, layout, lse, pruner);
        var hidden = pruner.hide(cut, seen, layout, positions, plan.capacity(0));
        positions = hidden.positions();
        mask = new Mask(true, hidden.hidden());
      } else if (cut != null) {
        var seen = attentions(in, layout, lse, pruner);
        var both = List.of(rows.x(), rows.attn());
        var kept = pruner.cut(cut, seen, both, layout, positions, s.cache().subList(0, l + 1));
        rows = rows.cut(kept.tensors().get(0), kept.tensors().get(1));
        positions = kept.positions();
        layout = layout.cut(Plan.kept(cut, seen.size()));
      }
      if (cut != null && cut.compactsCache()) {
        s.compacted(l, mask);
      }
      decoder.finish(l, rows);
    }
    return rows.x().rows(layout.rows() - 1, layout.rows());
  }

  private List<Attention> attentions(AttentionInputs in, Layout layout, Tensor lse, Pruner pruner) {
    var list = new ArrayList<Attention>();
    for (int image = 0; image < layout.pictures().size(); image++) {
      list.add(
          new Attention(
              in,
              lse,
              pruner.candidates(image, layout.pictures().get(image)),
              null,
              layout.lastText()));
    }
    return list;
  }

  @Override
  public void close() {
    pool.close();
    arena.close();
  }
}
