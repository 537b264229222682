package starling.cpu;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import starling.device.DeviceProperties;
import starling.device.Tensor;

/**
 * What the processor can do, on as many threads as the operators of a cpu device: a copy, a read
 * and products, each done once per call. Taken from {@link CpuDevice#ceilings} and used while that
 * is open.
 */
public final class CpuCeilings {
  private static final int DEPTH = 256;
  private static final int TILES = 64;

  /** Larger than the last cache of the machines this runs on, or its share of it. */
  private static final long CACHE = 64L << 20;

  private final Workers workers;
  private final Lanes lanes;
  private final float[][] tiles;
  private volatile long sink;

  CpuCeilings(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.tiles = new float[workers.count()][];
    Arrays.setAll(tiles, t -> ones(DEPTH * (Lanes.TILE_ROWS + lanes.panelWidth())));
  }

  private static float[] ones(int n) {
    float[] x = new float[n];
    Arrays.fill(x, 1f / 1024);
    return x;
  }

  /** The processor and the memory that Java may use. */
  public DeviceProperties properties() {
    var runtime = Runtime.getRuntime();
    return new DeviceProperties(
        model(),
        "",
        runtime.maxMemory(),
        -1,
        CACHE,
        workers.count(),
        System.getProperty("os.arch"),
        false);
  }

  private static String model() {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(l -> l.startsWith("model name"))
          .findFirst()
          .map(l -> l.substring(l.indexOf(':') + 2))
          .orElse("CPU");
    } catch (IOException e) {
      return "CPU";
    }
  }

  private static MemorySegment bytes(Tensor t) {
    return t.memory().asSlice(t.offset(), (long) t.rows() * t.rowStride() * t.dtype().bytes());
  }

  /** {@code out = in}, the plain copy; both hold as many bytes, a multiple of 16. */
  public void copy(Tensor out, Tensor in) {
    MemorySegment to = bytes(out);
    MemorySegment from = bytes(in);
    long piece = piece(from.byteSize());
    workers.run(
        (i, w) -> {
          long at = i * piece;
          long n = Math.min(piece, from.byteSize() - at);
          MemorySegment.copy(from, at, to, at, n);
        },
        (int) Math.ceilDiv(from.byteSize(), piece),
        from.byteSize());
  }

  private long piece(long bytes) {
    return Math.max(64, Math.ceilDiv(bytes, workers.count()) + 63 & -64);
  }

  /** Reads every byte of {@code in}, a multiple of 16. */
  public void read(Tensor in) {
    MemorySegment from = bytes(in);
    long piece = piece(from.byteSize());
    workers.run(
        (i, w) -> {
          long sum = 0;
          for (long at = i * piece, end = Math.min(at + piece, from.byteSize());
              at < end;
              at += 8) {
            sum += from.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
          }
          sink = sum;
        },
        (int) Math.ceilDiv(from.byteSize(), piece),
        from.byteSize());
  }

  /**
   * The register tile of the matrix product, on operands that stay in the first cache.
   *
   * @return the FLOPs done, a multiply-add being two
   */
  public long products() {
    int width = lanes.panelWidth();
    workers.run(
        (i, w) -> {
          float[] own = tiles[w];
          float[] c = new float[Lanes.TILE_ROWS * width];
          for (int t = 0; t < TILES; t++) {
            lanes.tile(
                own, 0, 1, Lanes.TILE_ROWS, own, Lanes.TILE_ROWS * DEPTH, DEPTH, c, 0, width);
          }
          sink = (long) c[0];
        },
        workers.count(),
        Long.MAX_VALUE);
    return 2L * Lanes.TILE_ROWS * width * DEPTH * TILES * workers.count();
  }
}
