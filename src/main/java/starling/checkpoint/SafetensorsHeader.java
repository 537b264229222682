package starling.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import starling.device.InputException;

/**
 * The header of a safetensors file: its length, its JSON, and every entry checked against the
 * file's size.
 */
final class SafetensorsHeader {
  /** Bits per element of every type the format has. */
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

  private static final long MAX_HEADER = 100_000_000;

  private SafetensorsHeader() {}

  static long length(Path file, FileChannel channel, long size) throws IOException {
    ByteBuffer prefix = bytes(channel, 0, (int) Math.min(8, size));
    if (prefix.remaining() < 8) {
      throw new InputException(
          file + ": is cut off, " + size + " bytes hold no safetensors header");
    }
    return prefix.order(ByteOrder.LITTLE_ENDIAN).getLong();
  }

  static JsonNode read(Path file, FileChannel channel, long size) throws IOException {
    refuseOtherFiles(file, bytes(channel, 0, (int) Math.min(64, size)));
    long length = length(file, channel, size);
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw new InputException(
          file
              + ": the header says it is "
              + Long.toUnsignedString(length)
              + " bytes long, but the file has "
              + (size - 8)
              + " behind the length");
    }
    byte[] text = new byte[(int) length];
    bytes(channel, 8, text.length).get(text);
    if (text[0] != '{') {
      throw new InputException(file + ": the header does not begin with its object");
    }
    for (byte b : text) {
      if (b == 0) {
        throw new InputException(file + ": the header holds a zero byte");
      }
    }
    try {
      JsonNode header = Fields.JSON.readTree(text);
      if (header == null || !header.isObject()) {
        throw new InputException(file + ": the header is not a JSON object");
      }
      return header;
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": the header is broken: " + Fields.firstLine(e), e);
    }
  }

  /** People find a pointer or a web page where the weights should be. */
  private static void refuseOtherFiles(Path file, ByteBuffer start) {
    String text = StandardCharsets.ISO_8859_1.decode(start).toString().stripLeading();
    if (text.startsWith("version https://git-lfs")) {
      throw new InputException(
          file + ": is a Git LFS pointer, the weights themselves were not downloaded");
    }
    if (text.startsWith("<!") || text.regionMatches(true, 0, "<html", 0, 5)) {
      throw new InputException(file + ": is a web page, not a weight file");
    }
  }

  private static ByteBuffer bytes(FileChannel channel, long at, int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) >= 0) {}
    return buffer.flip();
  }

  static void checkMetadata(Path file, JsonNode metadata) {
    boolean texts = metadata.isNull() || metadata.isObject();
    for (JsonNode value : metadata) {
      texts &= value.isTextual();
    }
    if (!texts) {
      throw new InputException(file + ": __metadata__ may hold texts only");
    }
  }

  static Safetensors.Entry entry(Path file, String name, JsonNode node, long data, long size) {
    String dtype = node.path("dtype").asText();
    Integer bits = BITS.get(dtype);
    JsonNode offsets = node.path("data_offsets");
    if (!offsets.isArray()
        || !node.path("dtype").isTextual()
        || !node.path("shape").isArray()
        || offsets.size() != 2
        || !offsets.get(0).canConvertToLong()
        || !offsets.get(1).canConvertToLong()) {
      throw new InputException(
          file + ": tensor " + name + " has no shape or no pair of data_offsets");
    }
    var shape = new ArrayList<Long>();
    long elements = 1;
    for (JsonNode d : node.path("shape")) {
      if (!d.isIntegralNumber() || !d.canConvertToLong() || d.longValue() < 0) {
        throw new InputException(file + ": tensor " + name + " has a dimension of " + d);
      }
      shape.add(d.longValue());
      if (Math.multiplyHigh(elements, d.longValue()) != 0 || elements * d.longValue() < 0) {
        throw new InputException(
            file + ": tensor " + name + " of shape " + node.path("shape") + " is absurdly large");
      }
      elements *= d.longValue();
    }
    long from = offsets.get(0).longValue();
    long to = offsets.get(1).longValue();
    if (from < 0 || to < from || to > size - data) {
      throw new InputException(
          file
              + ": tensor "
              + name
              + " lies at bytes "
              + from
              + " to "
              + to
              + ", but the file holds "
              + (size - data)
              + " bytes of data; it may be cut off");
    }
    // A type that is newer than this program has a size nobody can check; it is refused where the
    // model uses it.
    if (bits != null
        && (elements > Long.MAX_VALUE / 64
            || elements * bits % 8 != 0
            || elements * bits / 8 != to - from)) {
      throw new InputException(
          file
              + ": tensor "
              + name
              + " has "
              + (to - from)
              + " bytes, which does not fit "
              + dtype
              + " of shape "
              + shape);
    }
    return new Safetensors.Entry(name, dtype, List.copyOf(shape), file, data + from, to - from);
  }
}
