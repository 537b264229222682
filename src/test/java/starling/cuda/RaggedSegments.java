package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Segments of different lengths on every device, for tests. Rows and keys that belong to nobody are
 * NaN.
 */
abstract class RaggedSegments {
  static final int HEADS = 4;
  static final int KEY_HEADS = 2;
  static final int D = 32;
  static final float LEFT = 77; // what an output holds where nothing is written

  final List<Device> devices = new ArrayList<>();

  @BeforeEach
  void open() {
    devices.add(CpuDevice.open(2));
    devices.add(CpuDevice.scalar());
    if (Files.exists(Native.HOST) || Native.DEVICE != DeviceType.EMULATED) {
      devices.add(NativeDevice.open(Native.DEVICE));
    }
  }

  @AfterEach
  void close() {
    devices.forEach(Device::close);
    devices.clear();
  }

  /**
   * Segments of a call, in a pool whose ranges stand in another order than the rows.
   *
   * @param callRows rows of the call, some of which belong to nobody
   * @param poolRows rows of k and v, the same
   */
  record Case(List<Segment> segments, int callRows, int poolRows, int hiddenBytes) {
    int rows() {
      return segments.stream().mapToInt(Segment::rows).max().orElseThrow();
    }

    int keys() {
      return segments.stream().mapToInt(s -> s.length() + s.rows()).max().orElseThrow();
    }

    Segments on(Device device, TensorArena arena) {
      return SegmentTable.of(device, arena, rows(), keys(), segments.toArray(Segment[]::new));
    }
  }

  /** Ragged segments of up to {@code most} rows; from three on, one is idle. */
  static Case ragged(int count, int most) {
    var random = new Random(31L * count + most);
    int row = 2;
    int hidden = 3;
    int[] capacity = new int[count];
    var segments = new ArrayList<Segment>();
    for (int s = 0; s < count; s++) {
      int rows = s == 0 ? most : s == 2 ? 0 : 1 + random.nextInt(most);
      int length = s % 4 == 1 ? 0 : random.nextInt(most < 5 ? 300 : 60);
      capacity[s] = length + rows + random.nextInt(5);
      int position = random.nextInt(40);
      segments.add(
          Segment.of(row, rows, 0, capacity[s])
              .behind(length)
              .hidden(s % 3 == 0 ? hidden : -1)
              .standing(position, position + 3, 2 * position)
              .drawing(s, new Sampling(s % 2 == 0 ? 0 : 0.9f, s % 5, 0.95f, 1L << 40 | s)));
      row += rows + random.nextInt(3);
      hidden += capacity[s] + 1;
    }
    int at = 1;
    for (int s = count - 1; s >= 0; s--) { // the last stands first in the pool
      Segment x = segments.get(s);
      segments.set(
          s,
          new Segment(
              x.row(),
              x.rows(),
              at,
              x.capacity(),
              x.length(),
              x.hidden(),
              x.position(),
              x.second(),
              x.third(),
              x.step(),
              x.sampling()));
      at += capacity[s] + s % 3;
    }
    return new Case(segments, row + 2, at + 2, hidden);
  }

  static Tensor table(Device device, TensorArena arena, DType type, StoredTensor values) {
    return device.table(arena, type, values);
  }

  /** Gaussian rows where {@code used}, NaN elsewhere. */
  static StoredTensor rows(String name, long seed, int rows, int width, boolean[] used) {
    var random = new Random(seed);
    float[] values = new float[rows * width];
    for (int i = 0; i < values.length; i++) {
      float value = (float) random.nextGaussian();
      values[i] = used[i / width] ? value : Float.NaN;
    }
    return StoredTensor.of(name, List.of(rows, width), values);
  }

  static boolean[] callRows(Case c) {
    boolean[] used = new boolean[c.callRows];
    c.segments.forEach(s -> Arrays.fill(used, s.row(), s.row() + s.rows(), true));
    return used;
  }

  static Tensor left(Device device, TensorArena arena, DType type, int rows, int width) {
    float[] values = new float[rows * width];
    Arrays.fill(values, LEFT);
    Tensor t = arena.alloc("out", type, rows, width);
    StoredTensor stored = StoredTensor.of("left", List.of(rows, width), values);
    int[] all = IntStream.range(0, rows).toArray();
    Tensor index = arena.alloc("all", DType.I32, rows);
    device.upload(index, MemorySegment.ofArray(all));
    device.gatherRows(List.of(t), List.of(device.table(arena, type, stored)), index);
    return t;
  }

  static int[] ints(Device device, Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  static void assertNear(float[] expected, float[] actual, double bound, String what) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      boolean same = Float.compare(expected[i], actual[i]) == 0;
      assertTrue(
          same || Math.abs(expected[i] - actual[i]) <= bound,
          what + " [" + i + "] is " + actual[i] + ", not " + expected[i]);
    }
  }

  static final int[] COUNTS = {1, 3, 16};
}
