package starling.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.OutOfMemoryException;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.CutPoint;
import starling.prune.Method;

/**
 * The beginning of a prompt, read once for several questions on the same images: everything up to
 * the last image does not see what stands behind it. Held are its keys and values in every layer as
 * far as the first cut inside the decoder, and of that cut's layer the rows and their attention,
 * among which the cut chooses. The next question reads its own text only, up to that cut.
 *
 * @param of which questions it is for
 * @param rows P of the prompt
 * @param layers that it holds
 * @param slot their keys and values
 * @param arena of the tensors
 * @param x {@code [P, D]} before the second half of the last of the layers; null without a cut
 * @param q {@code [P, H·d]}
 * @param attn {@code [P, H·d]}
 * @param lse f32 {@code [H, P]}
 */
record Prefix(
    Key of,
    int rows,
    int layers,
    Slot slot,
    TensorArena arena,
    Tensor x,
    Tensor q,
    Tensor attn,
    Tensor lse)
    implements AutoCloseable {

  /**
   * What questions have in common whose prompts begin alike.
   *
   * @param images all of the prompt
   * @param ids up to the last image, that included
   * @param rows of each image in the decoder; a method may go by the length of the text
   * @param layers as far as the first cut inside the decoder, all of them without one
   */
  record Key(
      List<EncodedImage> images, List<Integer> ids, Method method, List<Span> rows, int layers) {

    /** Null if a question shares its beginning with no other. */
    static Key of(Planner planner, Plan plan) {
      Request request = planner.request();
      int imageToken = planner.model().imageToken();
      List<EncodedImage> images = request.images().stream().map(ImageInput::encoded).toList();
      int last = request.ids().length - 1;
      while (last >= 0 && request.ids()[last] != imageToken) {
        last--;
      }
      boolean shared =
          request.mode() == Mode.COMPACT
              && images.stream().allMatch(image -> image != null)
              && last >= 0
              && last < request.ids().length - 1;
      return shared
          ? new Key(
              images,
              IntStream.of(request.ids()).limit(last + 1L).boxed().toList(),
              request.method(),
              plan.layout().images(),
              planner.layersBeforeFirstCut())
          : null;
    }

    boolean isGone() {
      return images.stream().anyMatch(EncodedImage::isGone);
    }
  }

  /**
   * Copies the beginning of a prompt that is being read.
   *
   * @param cut which is about to be made; null if there is none in any layer
   * @param now the prompt with its images, and P rows up to the last of them
   * @param lse f32 {@code [H, T]} of the cut's layer
   * @return null if there is no room for it: the question goes on without
   */
  static Prefix copy(
      Key of, LoadedModel model, CutPoint cut, Sequence now, Tensor lse, Caches caches) {
    int p = now.layout().lastText().from();
    int layers = of.layers();
    int[] capacity = new int[model.decoder().layers()];
    Arrays.fill(capacity, 0, layers, p);
    if (!model.pool().hasRoom((long) p * layers, 1)) {
      return null;
    }
    TensorArena arena = model.slab().arena("prefix");
    Slot slot = null;
    try {
      slot = model.pool().takeExactly(capacity);
      for (int l = 0; l < layers; l++) {
        copy(model.pool(), caches.slot().own(l, null), slot.own(l, null), p);
      }
      if (cut == null) {
        return new Prefix(of, p, layers, slot, arena, null, null, null, null);
      }
      Decoder.Rows rows = now.rows();
      Tensor flat = rows.q().rows(0, p);
      Tensor x = arena.empty("x", rows.x().dtype(), p, rows.x().width());
      Tensor q = arena.empty("q", flat.dtype(), p, flat.dim(1), flat.dim(2));
      Tensor attn = arena.empty("attention", rows.attn().dtype(), p, rows.attn().width());
      Tensor own = arena.empty("lse", DType.F32, lse.rows(), p);
      var prefix = new Prefix(of, p, layers, slot, arena, x, q, attn, own);
      prefix.move(model.device(), model.iota(), rows, lse, false);
      return prefix;
    } catch (RuntimeException e) {
      if (slot != null) {
        slot.close();
      }
      arena.close();
      if (e instanceof OutOfMemoryException) {
        return null;
      }
      throw e;
    }
  }

  private static void copy(KvPool pool, Kv from, Kv to, int rows) {
    pool.copyRows(
        from.k().rows(0, rows), from.v().rows(0, rows), to.k().rows(0, rows), to.v().rows(0, rows));
  }

  /** Puts its keys and values into the rows of another prompt. */
  void into(LoadedModel model, Caches caches) {
    for (int l = 0; l < layers; l++) {
      copy(model.pool(), slot.own(l, null), caches.slot().own(l, null), rows);
    }
  }

  /** Puts its rows of the cut's layer in front of those of another prompt. */
  void into(LoadedModel model, Decoder.Rows to, Tensor lseOfAll) {
    move(model.device(), model.iota(), to, lseOfAll, true);
  }

  private void move(Device device, Tensor iota, Decoder.Rows of, Tensor lseOfAll, boolean out) {
    Tensor first = iota.rows(0, rows);
    List<Tensor> own = List.of(x, flat(q), attn);
    List<Tensor> theirs =
        List.of(of.x().rows(0, rows), flat(of.q().rows(0, rows)), of.attn().rows(0, rows));
    device.gatherRows(out ? theirs : own, out ? own : theirs, first);
    List<Tensor> ownSums = List.of(lse);
    List<Tensor> theirSums = List.of(lseOfAll.columns(0, rows));
    Tensor heads = iota.rows(0, lse.rows());
    device.gatherRows(out ? theirSums : ownSums, out ? ownSums : theirSums, heads);
  }

  private static Tensor flat(Tensor heads) {
    return heads.split(heads.width());
  }

  @Override
  public void close() {
    slot.close();
    arena.close();
  }
}
