package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static starling.checkpoint.SafetensorsFile.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.checkpoint.Safetensors.Entry;
import starling.input.InputException;
import starling.input.Limits;

/** One tensor of a safetensors file at the last size that fits, and one element behind it. */
class SafetensorsBordersTest {
  @TempDir Path dir;
  private Path file;

  @BeforeEach
  void weights() {
    file = dir.resolve("model.safetensors");
  }

  private Entry read(String header, int data) throws IOException {
    SafetensorsFile.writeHeader(file, header, new byte[data]);
    try (Safetensors weights = Safetensors.open(dir)) {
      return weights.entries().iterator().next();
    }
  }

  private Entry read(String dtype, String shape, long from, long to, int data) throws IOException {
    return read("{" + tensor("a", dtype, shape, from, to) + "}", data);
  }

  private void refused(String header, int data, String sentence) {
    var e = assertThrows(InputException.class, () -> read(header, data), header);
    assertEquals(file + ": " + sentence, e.getMessage());
  }

  private void refused(String dtype, String shape, long to, int data, String sentence) {
    refused("{" + tensor("a", dtype, shape, 0, to) + "}", data, "tensor a " + sentence);
  }

  /** Bits of an element, as the format's own library has them. */
  private static final Map<String, Integer> BITS =
      Map.ofEntries(
          Map.entry("F64", 64),
          Map.entry("F32", 32),
          Map.entry("F16", 16),
          Map.entry("BF16", 16),
          Map.entry("F8_E5M2", 8),
          Map.entry("F8_E4M3", 8),
          Map.entry("F8_E8M0", 8),
          Map.entry("F8_E5M2FNUZ", 8),
          Map.entry("F8_E4M3FNUZ", 8),
          Map.entry("F6_E2M3", 6),
          Map.entry("F6_E3M2", 6),
          Map.entry("F4", 4),
          Map.entry("I64", 64),
          Map.entry("I32", 32),
          Map.entry("I16", 16),
          Map.entry("I8", 8),
          Map.entry("U64", 64),
          Map.entry("U32", 32),
          Map.entry("U16", 16),
          Map.entry("U8", 8),
          Map.entry("BOOL", 8),
          Map.entry("C64", 64));

  /** Twelve elements are whole bytes in every type. */
  @Test
  void bytesAreThoseOfTypeAndShape() throws IOException {
    for (var type : BITS.entrySet()) {
      int bytes = 12 * type.getValue() / 8;
      Entry entry = read(type.getKey(), "[4,3]", 0, bytes, bytes);
      assertEquals(bytes, entry.bytes());
      assertEquals(List.of(4L, 3L), entry.shape());
      assertEquals(type.getKey(), entry.dtype());
      for (int other : new int[] {bytes - 1, bytes + 1}) {
        refused(
            type.getKey(),
            "[4,3]",
            other,
            other,
            "has " + other + " bytes, which does not fit " + type.getKey() + " of shape [4, 3]");
      }
    }
  }

  @Test
  void elementsAreWholeBytesTogether() throws IOException {
    assertEquals(1, read("F4", "[2]", 0, 1, 1).bytes());
    assertEquals(3, read("F6_E2M3", "[4]", 0, 3, 3).bytes());
    refused("F4", "[3]", 1, 1, "has 1 bytes, which does not fit F4 of shape [3]");
    refused("F4", "[3]", 2, 2, "has 2 bytes, which does not fit F4 of shape [3]");
    refused("F6_E2M3", "[3]", 2, 2, "has 2 bytes, which does not fit F6_E2M3 of shape [3]");
  }

  @Test
  void aTensorEndsWhereTheFileDoes() throws IOException {
    Entry all = read("U8", "[8]", 0, 8, 8);
    assertEquals(8, all.bytes());
    assertEquals(Files.size(file) - 8, all.offset());
    String end = ", but the file holds 8 bytes of data; it may be cut off";
    refused("U8", "[9]", 9, 8, "lies at bytes 0 to 9" + end);
    refused("{" + tensor("a", "U8", "[0]", 8, 7) + "}", 8, "tensor a lies at bytes 8 to 7" + end);
    assertEquals(0, read("U8", "[0]", 0, 0, 0).bytes());
    assertEquals(0, read("F32", "[0,9223372036854775807]", 0, 0, 0).bytes());
    assertEquals(4, read("F32", "[]", 0, 4, 4).bytes(), "one number");
  }

  /** Elements are counted in a long; what is in bits would not be. */
  @Test
  void elementsAreAsManyAsALongCounts() throws IOException {
    String most = "9223372036854775807";
    assertEquals(List.of(Long.MAX_VALUE), read("F9_NEW", "[" + most + "]", 0, 8, 8).shape());
    assertEquals(List.of(1L << 62, 1L), read("F9_NEW", "[4611686018427387904,1]", 0, 8, 8).shape());
    for (String shape :
        List.of(
            "[4611686018427387904, 2]", // the sign
            "[4294967296, 4294967296]", // 2^64, whose low half is 0
            "[" + most + ", " + most + "]",
            "[4294967296, 4294967297]")) {
      refused("F9_NEW", shape, 8, 8, "of shape " + shape + " is absurdly large");
    }
    // 2^58 numbers of 64 bits are 2^64 bits.
    for (String type : List.of("F64", "U8", "F4")) {
      refused(
          type,
          "[288230376151711744]",
          0,
          0,
          "has 0 bytes, which does not fit " + type + " of shape [288230376151711744]");
    }
    refused(
        "U8", "[" + most + "]", 0, 0, "has 0 bytes, which does not fit U8 of shape [" + most + "]");
  }

  @Test
  void dimensionsAndOffsetsAreAsManyAsTheyMayBe() throws IOException {
    assertEquals(8, read("U8", "[1,1,1,1,1,1,1,2]", 0, 2, 2).shape().size());
    refused("U8", "[1,1,1,1,1,1,1,1,2]", 2, 2, "has more than 8 sizes or offsets in a list");
    String offsets = "{'a':{'dtype':'U8','shape':[2],'data_offsets':%s}}".replace('\'', '"');
    assertEquals(2, read(offsets.formatted("[0,2]"), 2).bytes());
    refused(offsets.formatted("[0,2,2]"), 2, "tensor a has more than 2 sizes or offsets in a list");
    String none = "tensor a has no dtype, no shape or no pair of data_offsets";
    for (String wrong : List.of("[0]", "[]", "2", "null", "{}")) {
      refused(offsets.formatted(wrong), 2, none);
    }
    refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,2]}}", 2, none);
    refused("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,2]}}", 2, none);
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2, none);
    assertEquals(
        2,
        read("{\"a\":{\"x\":{\"y\":[1]},\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2)
            .bytes(),
        "another field");
  }

  @Test
  void aShapeThatIsNoListIsNone() throws IOException {
    String shape = "{'a':{'dtype':'U8','shape':%s,'data_offsets':[0,1]}}".replace('\'', '"');
    assertEquals(List.of(), read(shape.formatted("[]"), 1).shape());
    for (String wrong : List.of("1", "null", "{}", "\"[]\"")) {
      refused(
          shape.formatted(wrong), 1, "tensor a has no dtype, no shape or no pair of data_offsets");
    }
  }

  /** Tensors may stand in the header in another order than in the file. */
  @Test
  void bytesOfATensorAreCountedFromItsStart() throws IOException {
    String a = tensor("a", "U8", "[4]", 0, 4);
    Entry first = read("{" + tensor("b", "U8", "[3]", 4, 7) + "," + a + "}", 7);
    assertEquals("a", first.name());
    for (int end : new int[] {6, 8}) {
      refused(
          "{" + a + "," + tensor("b", "U8", "[3]", 4, end) + "}",
          end,
          "tensor b has " + (end - 4) + " bytes, which does not fit U8 of shape [3]");
    }
    refused(
        "{" + a + "," + tensor("b", "U8", "[3]", 4, 8) + "}",
        7,
        "tensor b lies at bytes 4 to 8, but the file holds 7 bytes of data; it may be cut off");
  }

  @Test
  void tensorsOfAllFilesAreAsManyAsTheLimit() throws IOException {
    Files.writeString(
        dir.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"a\":\"one\",\"t0\":\"two\"}}");
    SafetensorsFile.writeHeader(
        dir.resolve("one"), "{" + tensor("a", "U8", "[0]", 0, 0) + "}", new byte[0]);
    Path two = dir.resolve("two");
    SafetensorsFile.writeHeader(two, many(Limits.TENSORS - 1), new byte[0]);
    try (Safetensors weights = Safetensors.open(dir)) {
      assertEquals(Limits.TENSORS, weights.entries().size());
    }
    SafetensorsFile.writeHeader(two, many(Limits.TENSORS), new byte[0]);
    var e = assertThrows(InputException.class, () -> Safetensors.open(dir).close());
    assertEquals(
        two + ": the header lists more than the 100000 tensors that are read", e.getMessage());
  }

  private static String many(int n) {
    return IntStream.range(0, n)
        .mapToObj(i -> tensor("t" + i, "U8", "[0]", 0, 0))
        .collect(Collectors.joining(",", "{", "}"));
  }

  @Test
  void sizesAreWholeNumbersOfALong() {
    String sentence = "has a size or an offset that is no whole number from 0 to 2^63 - 1";
    for (String wrong : List.of("-1", "2.0", "9223372036854775808", "\"2\"", "null", "[2]")) {
      refused("U8", "[" + wrong + "]", 2, 2, sentence);
    }
  }

  /** The file's own length comes first: eight bytes, and a text of at least two. */
  @Test
  void aHeaderIsNoLongerThanItsFile() throws IOException {
    String both = "{" + tensor("a", "U8", "[4]", 0, 4) + "," + tensor("b", "U8", "[4]", 4, 8) + "}";
    assertEquals(4, read(both, 8).bytes());
    refused(
        "{" + tensor("a", "U8", "[4]", 0, 4) + "," + tensor("b", "U8", "[4]", 5, 9) + "}",
        9,
        "tensor b begins at byte 5 of the data, but 4 was expected (there is a hole)");
    refused(
        "{" + tensor("a", "U8", "[4]", 0, 4) + "," + tensor("b", "U8", "[4]", 3, 7) + "}",
        7,
        "tensor b begins at byte 3 of the data, but 4 was expected (tensors overlap)");
    refused(both, 9, "has 1 bytes that belong to no tensor");
    long[][] lengths = {{2, 2}, {3, 2}, {1, 1}, {0, 0}, {-1, 2}};
    for (long[] l : lengths) {
      byte[] bytes = new byte[8 + (int) l[1]];
      java.nio.ByteBuffer.wrap(bytes)
          .order(java.nio.ByteOrder.LITTLE_ENDIAN)
          .putLong(l[0])
          .put("{}".getBytes(java.nio.charset.StandardCharsets.UTF_8), 0, (int) l[1]);
      Files.write(file, bytes);
      if (l[0] == 2) {
        Safetensors.open(dir).close();
        continue;
      }
      var e = assertThrows(InputException.class, () -> Safetensors.open(dir).close());
      assertEquals(
          file
              + ": the header says it is "
              + Long.toUnsignedString(l[0])
              + " bytes long, but the file has "
              + l[1]
              + " behind the length",
          e.getMessage());
    }
    Files.write(file, new byte[7]);
    var e = assertThrows(InputException.class, () -> Safetensors.open(dir).close());
    assertEquals(file + ": is cut off, 7 bytes hold no safetensors header", e.getMessage());
  }
}
