package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.EightBits;
import starling.device.Linear;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** What a checkpoint stores, on the device: copied, padded, decoded. */
class UploadTest {
  private NativeDevice nativeDevice;

  @BeforeEach
  void open() {
    Native.needsDevice();
    nativeDevice = NativeDevice.open(Native.DEVICE);
  }

  @AfterEach
  void close() {
    if (nativeDevice != null) {
      nativeDevice.close();
    }
  }

  /** CU-3: whatever the alignment in a file, the copy on the device starts at 256 bytes. */
  @Test
  void weightsAreCopiedToAlignedMemoryAndHeadsArePadded() {
    try (TensorArena arena = nativeDevice.arena("weights");
        Arena host = Arena.ofConfined()) {
      MemorySegment file = host.allocate(1 + 4 * 40 * 6, 64).asSlice(1);
      for (int i = 0; i < 240; i++) {
        file.set(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, i);
      }
      var stored = new StoredTensor("w", DType.F32, List.of(40, 6), file);
      Tensor table = nativeDevice.table(arena, DType.F32, stored);
      assertEquals(0, nativeDevice.address(table) % 256);
      assertEquals(239f, Floats.of(nativeDevice, table)[239]);
      var source = new Linear.Source(List.of(stored, stored), Collections.nCopies(2, null), 20, 0);
      var padded = (NativeLinear) nativeDevice.linear(arena, DType.F32, source);
      assertEquals(0, nativeDevice.address(padded.matrix()) % 256);
      assertEquals(128, padded.out());
      float[] values = Floats.of(nativeDevice, padded.matrix());
      for (int row = 0; row < 128; row++) {
        int head = row / 32;
        boolean real = row % 32 < 20;
        for (int c = 0; c < 6; c++) {
          assertEquals(real ? ((head % 2) * 20 + row % 32) * 6 + c : 0, values[row * 6 + c]);
        }
      }
      var columns =
          new Linear.Source(
              List.of(new StoredTensor("o", DType.F32, List.of(6, 40), file)),
              Collections.singletonList(null),
              0,
              20);
      var in = (NativeLinear) nativeDevice.linear(arena, DType.F32, columns);
      assertEquals(64, in.in());
      float[] o = Floats.of(nativeDevice, in.matrix());
      assertEquals(0, o[20]);
      assertEquals(20f, o[32]);
    }
  }

  /** Heads are as wide as the narrowest kernel that takes them. */
  @Test
  void aHeadIsPaddedToTheNextSizeOfAKernel() {
    int[] sizes = {1, 32, 33, 64, 65, 72, 80, 81, 128};
    int[] padded = IntStream.of(sizes).map(nativeDevice::headSize).toArray();
    assertArrayEquals(new int[] {32, 32, 64, 64, 80, 80, 80, 128, 128}, padded);
  }

  /** Places of channels are counted in elements, not in blocks: heads may end inside one. */
  @Test
  void headsOfDecodedBlocksArePadded() {
    for (DType dtype : NativeDeviceTest.FLOATS) {
      try (TensorArena arena = nativeDevice.arena("weights")) {
        var side = new Side(nativeDevice, arena, new Random(5));
        StoredTensor blocks = EightBits.of(side.stored("w", 1, 40, 96));
        var source = new Linear.Source(List.of(blocks), Collections.singletonList(null), 20, 24);
        var padded = (NativeLinear) nativeDevice.linear(arena, dtype, source);
        assertEquals(64, padded.out());
        assertEquals(128, padded.in());
        float[] values = Floats.of(nativeDevice, padded.matrix());
        for (int row = 0; row < 64; row++) {
          for (int c = 0; c < 128; c++) {
            boolean real = row % 32 < 20 && c % 32 < 24;
            int stored = (row / 32 * 20 + row % 32) * 96 + c / 32 * 24 + c % 32;
            float expected = real ? dtype.value(dtype.bits(blocks.get(stored))) : 0;
            assertEquals(expected, values[row * 128 + c], dtype + " " + row + ", " + c);
          }
        }
      }
    }
  }
}
