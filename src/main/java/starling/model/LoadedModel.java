package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Device;
import starling.device.Mask;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.image.Preprocess;
import starling.prune.Attention;
import starling.prune.CutPoint;

/**
 * A model on a device: image encoder and decoder. All arithmetic is the device's; this class says
 * in which order. One thread at a time.
 */
public final class LoadedModel implements AutoCloseable {
  private final Device device;
  private final VisionLanguageModel family;
  private final DType dtype;
  private final TensorArena arena;
  private final ImageEncoder encoder;
  private final Decoder decoder;
  private final KvPool pool;
  private Tensor iota; // i32: 0, 1, 2 …

  /**
   * Puts the weights on the device. The mapped files behind {@code weights} must stay open as long
   * as this.
   */
  public LoadedModel(
      Device device, VisionLanguageModel family, VisionLanguageModel.Weights weights, DType dtype) {
    this.device = device;
    this.family = family;
    this.dtype = dtype;
    this.arena = device.arena("weights");
    this.encoder = weights.encoder(device, arena, dtype);
    this.decoder =
        new Decoder(device, arena, dtype, family.text(), weights.decoder(), family.ropeSections());
    this.pool = decoder.pool();
    count(Math.max(family.text().maxPositionEmbeddings(), family.typicalImage().towerRows()));
  }

  /** Makes sure that {@link #iota} reaches to n; one that was too short stays where it is. */
  private void count(int n) {
    if (iota == null || iota.rows() < n) {
      iota = arena.alloc("iota", DType.I32, n);
      device.upload(iota, MemorySegment.ofArray(IntStream.range(0, n).toArray()));
    }
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

  public VisionLanguageModel family() {
    return family;
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
   *   pixels → tower → [stage 1] → projector → rows of the images ┐
   *   ids    → embeddings             → rows of the text            ┴→ layers, [stage 2] in one of them → logits
   * </pre>
   *
   * @throws InputException if the pruning does not fit, or the prompt is beyond the context
   */
  public Session prefill(Request request) {
    var planner = Planner.of(family, request);
    Footprint.check(family, planner, dtype, decoder.bytes());
    for (ImageInput image : request.images()) {
      count(Math.max(image.tokens().rows(), image.tokens().towerRows()));
    }
    var session = new Session(this, request, planner);
    try (TensorArena work = device.arena("prefill")) {
      var tables = new Tables();
      int ids = tables.add(request.ids());
      Positions positions = planner.positions();
      int standing = positions.values() == null ? 0 : tables.add(positions.values());
      var imageTables = tables(request, tables);
      tables.upload(device, work);
      Pruner pruner = session.pruner(iota, work, imageTables);
      Decoder.Rows rows = decoder.rows(work, session.plan().layout().rows());
      long start = device.recordEvent();
      encode(request, rows.x(), pruner, session, work);
      session.encoded();
      long seen = device.recordEvent();
      Layout layout = session.plan().layout(); // shorter than before where counts were read back
      embed(tables.at(ids, request.ids().length), layout, rows.x());
      var entered = pruner.enter(positions.on(tables, standing));
      Tensor last = decode(session, request, rows.first(layout.rows()), pruner, entered, work);
      session.begin(last, start, seen);
    } catch (RuntimeException e) {
      session.close();
      throw e;
    }
    return session;
  }

  private static List<TokenTables> tables(Request request, Tables tables) {
    return request.images().stream().map(i -> new TokenTables(i.tokens(), tables)).toList();
  }

  private void encode(Request request, Tensor x, Pruner pruner, Session session, TensorArena work) {
    for (int image = 0; image < request.images().size(); image++) {
      request.progress().at("vision", image, request.images().size());
      var pixels = new ArrayList<Tensor>();
      for (Preprocess.Prepared crop : request.images().get(image).crops()) {
        Tensor one = work.alloc("pixels", DType.F32, 3, crop.height(), crop.width());
        device.upload(one, MemorySegment.ofArray(crop.pixels()));
        pixels.add(one);
      }
      try (TensorArena activations = device.arena("image")) {
        var at = session.workspace(iota, activations);
        encoder.encode(pixels, new ImageCuts(pruner, at, image, x), activations);
      }
    }
  }

  private void embed(Tensor ids, Layout layout, Tensor x) {
    for (Layout.Text text : layout.texts()) {
      Span to = text.rows();
      decoder.embed(x.rows(to.from(), to.to()), ids.rows(text.id(), text.id() + to.length()));
    }
  }

  /** Runs the layers over the prompt, with the cuts inside them; returns the last row. */
  private Tensor decode(
      Session s,
      Request request,
      Decoder.Rows rows,
      Pruner pruner,
      Pruner.Hidden entered,
      TensorArena work) {
    Layout layout = s.plan().layout();
    Tensor positions = entered.positions();
    Mask mask = new Mask(true, entered.hidden());
    for (int l = 0; l < decoder.layers(); l++) {
      request.progress().at("prefill", l, decoder.layers());
      CutPoint cut = pruner.inDecoder(l + 1);
      Tensor lse =
          cut == null ? null : work.alloc("lse", DType.F32, rows.q().dim(1), layout.rows());
      var in = new AttentionInputs(rows.q(), s.cache(l), mask, decoder.scale());
      decoder.attend(l, rows, in, positions, lse);
      s.entered(l, mask);
      if (cut != null) {
        Pruner.Sight sight = sight(in, layout, lse, pruner);
        if (pruner.masks()) {
          var hidden = pruner.hide(cut, sight, layout, positions, s.plan().capacity(0));
          positions = hidden.positions();
          mask = new Mask(true, hidden.hidden());
        } else {
          var both = List.of(rows.x(), rows.attn());
          var kept = pruner.cut(cut, sight, both, layout, positions, s.caches(l + 1));
          rows = rows.cut(kept.tensors().get(0), kept.tensors().get(1));
          positions = kept.positions();
          layout = layout.cut(pruner.rows());
        }
        s.passed(cut, mask);
      }
      decoder.finish(l, rows);
    }
    return rows.x().rows(layout.rows() - 1, layout.rows());
  }

  /** What a method sees in a layer: its attention, with the rows of a group as candidates. */
  private static Pruner.Sight sight(AttentionInputs in, Layout layout, Tensor lse, Pruner pruner) {
    return (image, group) -> {
      Candidates keys = pruner.image(image).decoderRows(layout.images().get(image).from(), group);
      var part = new Attention.Part(in, lse, layout.rows(), keys, null, layout.lastText());
      return new Pruner.Seen(new Attention(List.of(part), 1, null), null);
    };
  }

  @Override
  public void close() {
    pool.close();
    arena.close();
  }
}
