package starling.cuda;

import java.nio.file.Path;
import java.util.List;
import starling.device.Activation;
import starling.device.Arguments;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DeviceProperties;
import starling.device.DeviceType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.ProductRows;
import starling.device.Providers;
import starling.device.Rope;
import starling.device.RowMapping;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.input.InputException;
import starling.nvidia.LibraryAttention;
import starling.nvidia.LibraryGemm;

/**
 * The operators as CUDA kernels: {@code cuda} on a GPU, {@code emulated} on the CPU, from the same
 * sources. Every operator is checked ({@link Arguments}) and then one call of {@code
 * native/include/starling.h} on this device's stream ({@link Operators}); nothing is allocated for
 * it.
 *
 * <p>Threads: one at a time; a second one waits. Closing an arena waits for a running call. An
 * error of the library is an {@link IllegalStateException} with its sentence; {@link
 * InputException} when memory runs out.
 */
public final class NativeDevice extends NativeLifecycle {
  private NativeDevice(DeviceType type, NativeLibrary found, long cudaStream, Providers providers) {
    super(type, found, cudaStream, providers);
  }

  // ---- opening ----

  /**
   * Opens {@link DeviceType#CUDA} or {@link DeviceType#EMULATED}.
   *
   * @throws InputException if no library is there or it cannot run on this machine, with the
   *     reasons
   */
  public static NativeDevice open(DeviceType type) {
    return open(type, Providers.OWN);
  }

  /**
   * The same with a choice of whose kernels multiply and attend.
   *
   * @throws InputException also if a library was asked for by name and cannot be used
   */
  public static NativeDevice open(DeviceType type, Providers providers) {
    return new NativeDevice(type, NativeLibrary.search(type.label()), 0, providers);
  }

  /**
   * The cuda device on a stream of the caller's, who keeps it until this device is closed: work of
   * both runs in the order of the calls.
   *
   * @param cudaStream a {@code cudaStream_t} of the first card's primary context
   */
  public static NativeDevice openOnStream(long cudaStream) {
    var library = NativeLibrary.search(DeviceType.CUDA.label());
    return new NativeDevice(DeviceType.CUDA, library, cudaStream, Providers.OWN);
  }

  /**
   * Over {@code file}, in which {@code entry} takes the place of {@code symbol}.
   *
   * @throws InputException if the library cannot be used or has no such function
   */
  public static NativeDevice openReplaced(DeviceType type, Path file, String symbol, String entry) {
    var library = NativeLibrary.of(type.label(), file, symbol, entry);
    return new NativeDevice(type, library, 0, Providers.OWN);
  }

  /**
   * What the hardware can do on this device's stream, for a bench; the caller closes it before the
   * device.
   */
  public NativeCeilings ceilings() {
    stream.checkOpen();
    return new NativeCeilings(this);
  }

  // ---- what there is ----

  /** Every library that was looked for, one line each with what came of it. */
  public static List<String> tried(DeviceType type) {
    return NativeLibrary.search(type.label()).attempts().stream()
        .map(a -> a.place() + ": " + a.outcome())
        .toList();
  }

  /** Places where cuBLASLt was looked for, one line each with what came of it. */
  public static List<String> triedCublasLt() {
    return LibraryGemm.tried();
  }

  /** The same for cuDNN. */
  public static List<String> triedCudnn() {
    return LibraryAttention.tried();
  }

  /** The cards that the driver shows, the first of which is used; empty if it shows none. */
  public static List<DeviceProperties> cards() {
    return Cards.all(NativeLibrary.search(DeviceType.CUDA.label()).bindings());
  }

  // ---- rows ----

  @Override
  public synchronized void patchify(Tensor out, Tensor pixels, int patch) {
    checked().patchify(out, pixels, patch);
    stream.check(operators.patchify(out, pixels, patch));
  }

  @Override
  public synchronized void embed(Tensor out, Tensor ids, Tensor table) {
    checked().embed(out, ids, table);
    stream.check(operators.embed(out, ids, table));
  }

  @Override
  public synchronized void layernorm(Tensor out, Tensor x, Norm norm) {
    checked().layernorm(out, x, norm);
    stream.check(operators.layernorm(out, x, norm));
  }

  @Override
  public synchronized void rmsnorm(Tensor out, Tensor x, Norm norm) {
    checked().rmsnorm(out, x, norm);
    stream.check(operators.rmsnorm(out, x, norm));
  }

  @Override
  public synchronized void rowStatistics(Tensor statistics, Tensor x) {
    checked().rowStatistics(statistics, x);
    stream.check(operators.rowStatistics(statistics, x));
  }

  @Override
  public boolean passesStatistics(int rows) {
    return !libraries.multiplies(rows);
  }

  @Override
  public synchronized void gemm(
      Tensor y,
      Tensor x,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    checked().gemm(y, x, w, before, activation, residual, around);
    var weight = (NativeLinear) w;
    if (!libraries.gemm(y, x, weight, before, activation, residual, around)) {
      stream.check(operators.gemm(y, x, weight, before, activation, residual, around));
    }
  }

  // ---- attention ----

  @Override
  public synchronized void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    checked().rope(q, kv, qkv, positions, table);
    stream.check(operators.rope(q, kv, qkv, positions, table));
  }

  @Override
  public synchronized void attention(Tensor out, Tensor lse, AttentionInputs in) {
    checked().attention(out, lse, in);
    if (!libraries.attention(out, lse, in)) {
      stream.check(operators.attention(out, lse, in));
    }
  }

  @Override
  public synchronized void stepAttention(
      Tensor y,
      Tensor statistics,
      Tensor qkv,
      AttentionInputs in,
      Rope table,
      Tensor attended,
      Linear w,
      Tensor residual) {
    checked().stepAttention(y, statistics, qkv, in, table, attended, w, residual);
    stream.check(
        operators.stepAttention(
            y, statistics, qkv, in, table, attended, (NativeLinear) w, residual));
  }

  @Override
  public synchronized void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    checked().attentionColsum(sums, in, lse, rows, candidates);
    stream.check(operators.attentionColsum(sums, in, lse, rows, candidates));
  }

  // ---- selection and compaction ----

  @Override
  public synchronized void tokenSelect(
      Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    checked().tokenSelect(keep, score, sums, rows, nonFinite);
    stream.check(operators.tokenSelect(keep, score, sums, rows, nonFinite));
  }

  @Override
  public synchronized void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates candidates,
      Tensor nonFinite,
      RowMapping map) {
    checked().colsumSelect(keep, score, in, lse, rows, candidates, nonFinite, map);
    stream.check(operators.colsumSelect(keep, score, in, lse, rows, candidates, nonFinite, map));
  }

  @Override
  public synchronized void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    checked().cosines(out, x, nonFinite);
    stream.check(operators.cosines(out, x, nonFinite));
  }

  @Override
  public synchronized void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    checked().dropDuplicates(keep, score, cosines, best);
    stream.check(operators.dropDuplicates(keep, score, cosines, best));
  }

  @Override
  public synchronized void rowMap(RowMapping map) {
    checked().rowMap(map);
    stream.check(operators.rowMap(map));
  }

  @Override
  public synchronized void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    checked().hideRows(hidden, positionsOut, positionsIn, cuts, rule);
    stream.check(operators.hideRows(hidden, positionsOut, positionsIn, cuts, rule));
  }

  @Override
  public synchronized void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    checked().gatherRows(out, in, rows);
    stream.check(operators.gatherRows(out, in, rows));
  }

  @Override
  public synchronized void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    checked().combineRows(out, in, index, weight);
    stream.check(operators.combineRows(out, in, index, weight));
  }

  @Override
  public synchronized void compactRows(List<Kv> kv, Tensor rows) {
    checked().compactRows(kv, rows);
    int most = Operators.MAX_TENSORS / 2;
    for (int first = 0; first < kv.size(); first += most) {
      stream.check(
          operators.compactRows(kv.subList(first, Math.min(kv.size(), first + most)), rows));
    }
  }

  // ---- the end of a step ----

  @Override
  public synchronized void sample(
      Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    checked().sample(ids, seen, logits, segments, nonFinite);
    stream.check(operators.sample(ids, seen, logits, segments, nonFinite));
  }

  @Override
  public synchronized void advance(Segments segments) {
    checked().advance(segments);
    stream.check(operators.advance(segments));
  }
}
