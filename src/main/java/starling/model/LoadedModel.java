package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Segments;
import starling.device.Slab;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.image.Preprocess;
import starling.input.InputException;
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
  private final Slab slab; // of the questions' arenas
  private final KvPool pool;
  private final Batch batch;
  private final List<EncodedImage> encoded = new ArrayList<>(); // that may still be open
  private final Prefixes prefixes = new Prefixes();
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
    this.slab = device.slab("questions");
    this.pool = decoder.pool(slab);
    this.batch = new Batch(device, decoder, family.text().vocabSize());
    count(Math.max(family.text().maxPositionEmbeddings(), family.typicalImage().towerRows()));
  }

  /** Makes sure that {@link #iota} reaches to n; one that was too short stays where it is. */
  private void count(int n) {
    if (iota == null || iota.rows() < n) {
      iota = arena.alloc("iota", DType.I32, n);
      device.upload(iota, MemorySegment.ofArray(IntStream.range(0, n).toArray()));
    }
  }

  private void count(ImageInput image) {
    count(Math.max(image.tokens().rows(), image.tokens().towerRows()));
  }

  Device device() {
    return device;
  }

  Decoder decoder() {
    return decoder;
  }

  /** i32: 0, 1, 2 … */
  Tensor iota() {
    return iota;
  }

  KvPool pool() {
    return pool;
  }

  Slab slab() {
    return slab;
  }

  /** What the checkpoint says of itself. */
  public VisionLanguageModel family() {
    return family;
  }

  /** The type of activations, keys and values. */
  public DType dtype() {
    return dtype;
  }

  /** Bytes of the weights that one decode step reads. */
  public long decoderBytes() {
    return decoder.bytes();
  }

  /**
   * Says how much memory keys and values may take, before the first question.
   *
   * @param bytes of all questions together
   * @param sequences that are to step together
   */
  public void limitCache(long bytes, int sequences) {
    pool.limit(bytes, sequences);
  }

  /** Bytes that the keys and values of questions take now. */
  public long cacheBytes() {
    return pool.usedBytes();
  }

  /**
   * Counts a question, as far as it can be before anything of it is done. Any thread may call.
   *
   * @throws starling.input.InputException if the pruning does not fit, the prompt is beyond the
   *     context, or the question takes more memory than any may
   */
  public Prepared prepare(Request request) {
    for (ImageInput image : request.images()) {
      if (image.encoded() != null && !image.encoded().isOf(this)) {
        throw new InputException("an encoded image is another model's; encode it with this one");
      }
    }
    var planner = Planner.of(family, request);
    Footprint.check(family, planner, dtype, decoder.bytes());
    return new Prepared(request, planner);
  }

  /** Whether the cache holds a question's keys and values when nothing else is in it. */
  public boolean holds(Prepared question, int answers) {
    return pool.holds(question.cacheRows(), answers);
  }

  /** Whether the cache has room for them now. */
  public boolean hasRoom(Prepared question, int answers) {
    return pool.hasRoom(question.cacheRows(), answers);
  }

  /**
   * Gives back the beginnings of prompts that are kept for later questions: all of them, or those
   * on images that are closed.
   */
  public void forgetPrefixes(boolean all) {
    prefixes.forget(all);
  }

  /** Reads the prompt of a question and draws the first token. */
  public Generation prefill(Request request) {
    return prefill(prepare(request), 1);
  }

  /**
   * Reads the prompt and draws the first token:
   *
   * <pre>
   *   pixels → tower → [stage 1] → projector → rows of the images ┐
   *   ids    → embeddings             → rows of the text            ┴→ layers, [stage 2] in one of them → logits
   * </pre>
   *
   * @param answers that are to begin with this prompt, for which room in the cache is left
   * @throws starling.device.OutOfMemoryException if there is no room for it
   */
  public Generation prefill(Prepared question, int answers) {
    Request request = question.request();
    Planner planner = question.planner();
    request.images().forEach(this::count);
    var generation = new Generation(this, request, planner);
    try (TensorArena work = slab.arena("prefill")) {
      var tables = new Tables();
      int ids = tables.add(request.ids());
      Positions positions = planner.positions();
      int standing = positions.values() == null ? 0 : tables.add(positions.values());
      var imageTables = tables(request, tables);
      tables.upload(device, work);
      Pruner pruner = generation.pruner(iota, work, imageTables);
      Decoder.Rows rows = decoder.rows(work, generation.plan().layout().rows());
      long start = device.recordEvent();
      encode(request, imageTables, rows.x(), pruner, generation);
      generation.encoded();
      long seen = device.recordEvent();
      Layout layout = generation.plan().layout(); // shorter where counts were read back
      embed(tables.at(ids, request.ids().length), layout, rows.x());
      var entering = pruner.entering(positions.on(tables, standing));
      var mask = new Mask(true, entering.hidden());
      var prompt = new Sequence(rows.first(layout.rows()), layout, entering.positions(), mask);
      Decoder.Rows last = decode(generation, question, answers, prompt, pruner, work);
      decoder.logits(generation.logitRow(), last);
      generation.begin(start, seen);
    } catch (RuntimeException e) {
      generation.close();
      throw e;
    }
    return generation;
  }

  private static List<TokenTables> tables(Request request, Tables tables) {
    return request.images().stream().map(i -> new TokenTables(i.tokens(), tables)).toList();
  }

  /** Each image through the tower and the projector, into its rows of {@code x}. */
  private void encode(
      Request request, List<TokenTables> tables, Tensor x, Pruner pruner, Generation generation) {
    for (int image = 0; image < request.images().size(); image++) {
      request.progress().at("vision", image, request.images().size());
      try (TensorArena work = slab.arena("image")) {
        ImageEncoder.Seen seen = seen(request.images().get(image), tables.get(image), work);
        var workspace = generation.workspace(iota, work);
        encoder.encode(seen, new ImageCuts(pruner, workspace, image, seen, x), work);
      }
    }
  }

  /** An image in the tower: as it was encoded before, or now. */
  private ImageEncoder.Seen seen(ImageInput image, TokenTables tables, TensorArena work) {
    if (image.encoded() != null) {
      return image.encoded().lend(device, work, iota);
    }
    try (TensorArena tower = slab.arena("tower")) {
      return see(image, tables, work, tower);
    }
  }

  private ImageEncoder.Seen see(
      ImageInput image, TokenTables tables, TensorArena own, TensorArena work) {
    var pixels = new ArrayList<Tensor>();
    for (Preprocess.Prepared crop : image.crops()) {
      Tensor one = work.empty("pixels", DType.F32, 3, crop.height(), crop.width());
      device.upload(one, MemorySegment.ofArray(crop.pixels()));
      pixels.add(one);
    }
    return encoder.see(pixels, image.tokens(), tables.segments(), own, work);
  }

  /**
   * Runs the tower for an image that several questions are about. The caller closes the result, or
   * this model does when it is closed.
   *
   * @param options with which the image was prepared
   */
  public EncodedImage encode(ImageInput image, ImageOptions options) {
    count(image);
    TensorArena own = slab.arena("encoded image");
    try (TensorArena work = slab.arena("image")) {
      var tables = new Tables();
      var tokens = new TokenTables(image.tokens(), tables);
      tables.upload(device, own);
      var seen = see(image, tokens, own, work);
      var encoded = new EncodedImage(this, image.tokens(), options, seen, own);
      synchronized (this.encoded) {
        this.encoded.removeIf(EncodedImage::isGone);
        this.encoded.add(encoded);
      }
      return encoded;
    } catch (RuntimeException e) {
      own.close();
      throw e;
    }
  }

  private void embed(Tensor ids, Layout layout, Tensor x) {
    for (Layout.Text text : layout.texts()) {
      Span to = text.rows();
      decoder.embed(x.rows(to.from(), to.to()), ids.rows(text.id(), text.id() + to.length()));
    }
  }

  /** Runs the layers over the prompt, with the cuts inside them; returns the rows that are left. */
  private Decoder.Rows decode(
      Generation generation,
      Prepared question,
      int answers,
      Sequence prompt,
      Pruner pruner,
      TensorArena work) {
    Request request = question.request();
    Caches caches = generation.caches();
    Prefix.Key shared = Prefix.Key.of(question.planner(), generation.plan());
    Prefix begun = prefixes.of(shared);
    List<Kv> behind = begun == null ? List.of() : continued(begun, generation, work);
    boolean keeps = shared != null && begun == null;
    Sequence now = prompt;
    decoder.enter(begun == null ? now.rows() : now.rows().behind(begun.rows()));
    for (int l = 0; l < decoder.layers(); l++) {
      request.progress().at("prefill", l, decoder.layers());
      boolean rest = l < behind.size(); // of the prompt, behind what is known of it
      Sequence part = rest ? now.behind(begun.rows()) : now;
      CutPoint cut = pruner.planner().cutBehind(l + 1);
      Tensor lse = cut == null ? null : lse(now.rows(), work);
      var in = inputs(part, rest ? behind.get(l) : caches.whilePrompt(l));
      Tensor own = rest && cut != null ? lse.columns(begun.rows(), lse.width()) : lse;
      decoder.attend(l, part.rows(), in, part.positions(), own);
      caches.filled(l, now.mask());
      Decoder.Rows rows = part.rows();
      Decoder.Attended attended = rows.attended();
      if (cut != null) {
        if (rest) {
          begun.into(this, now.rows(), lse);
          in = inputs(now, caches.whilePrompt(l));
        } else if (keeps) {
          keep(Prefix.copy(shared, this, cut, now, lse, caches), question, answers);
          keeps = false;
        }
        var sight = sight(in, now.layout(), lse, pruner);
        Pruner.Left left = pruner.cut(cut, sight, now, caches.whilePromptOfFirst(l + 1));
        now = left.sequence();
        rows = now.rows();
        attended = left.attended();
        generation.passed(cut, now.mask());
      }
      decoder.finish(l, rows, attended);
    }
    if (keeps) {
      keep(Prefix.copy(shared, this, null, now, null, caches), question, answers);
    }
    return now.rows();
  }

  /** Keeps the beginning of a prompt, unless its other answers need the room. */
  private void keep(Prefix prefix, Prepared question, int answers) {
    if (prefix != null && answers > 1 && !pool.hasRoom(question.cacheRows(), answers - 1)) {
      prefix.close();
    } else {
      prefixes.keep(prefix);
    }
  }

  private Tensor lse(Decoder.Rows rows, TensorArena work) {
    return work.empty("lse", DType.F32, rows.q().dim(1), rows.x().rows());
  }

  private AttentionInputs inputs(Sequence rows, Kv kv) {
    return new AttentionInputs(rows.rows().q(), kv, rows.mask(), decoder.scale());
  }

  /** Puts the known beginning of a prompt into its cache; says where the rest goes. */
  private List<Kv> continued(Prefix begun, Generation generation, TensorArena work) {
    begun.into(this, generation.caches());
    Tensor table = work.empty("segments", DType.I32, begun.layers(), Segments.WIDTH);
    return generation.caches().behind(begun.rows(), generation.plan(), table);
  }

  /** What a method sees in a layer: its attention, with the rows of a group as candidates. */
  private static Choices.Sight sight(AttentionInputs in, Layout layout, Tensor lse, Pruner pruner) {
    return (image, group) -> {
      Candidates keys = pruner.image(image).decoderRows(layout.images().get(image).from(), group);
      var part = new Attention.Part(in, lse, layout.rows(), keys, null, layout.lastText());
      return new Choices.Seen(new Attention(List.of(part), 1, null), null);
    };
  }

  /** The steps of its answers. */
  public Batch batch() {
    return batch;
  }

  @Override
  public void close() {
    batch.close();
    prefixes.forget(true);
    synchronized (encoded) {
      encoded.forEach(EncodedImage::free);
      encoded.clear();
    }
    pool.close();
    slab.close();
    arena.close();
  }
}
