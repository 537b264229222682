package starling.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import starling.checkpoint.Safetensors.Entry;
import starling.input.FileKind;
import starling.input.InputException;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * The header of a safetensors file: its length, its JSON, read value by value, and every entry
 * checked against the file's size.
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

  /**
   * @param length bytes of the text
   * @param entries the tensors, in the order in which they lie in the file
   */
  record Header(long length, List<Entry> entries) {}

  private final Path file;
  private final long data;
  private final long size;
  private final int capacity;

  private SafetensorsHeader(Path file, long data, long size, int capacity) {
    this.file = file;
    this.data = data;
    this.size = size;
    this.capacity = capacity;
  }

  /**
   * Reads the header of one file.
   *
   * @param bytesBefore of the headers of the checkpoint's files before this one
   * @param tensorsBefore in those
   */
  static Header read(Path file, FileChannel channel, long size, long bytesBefore, int tensorsBefore)
      throws IOException {
    FileKind kind = FileKind.of(bytes(channel, 0, (int) Math.min(FileKind.BYTES, size)));
    if (kind != FileKind.UNKNOWN && kind != FileKind.SAFETENSORS) {
      throw kind.instead(file.toString(), "safetensors");
    }
    if (size < 8) {
      throw new InputException(
          file + ": is cut off, " + size + " bytes hold no safetensors header");
    }
    long length = ByteBuffer.wrap(bytes(channel, 0, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 2 || length > size - 8) {
      throw new InputException(
          file
              + ": the header says it is "
              + Long.toUnsignedString(length)
              + " bytes long, but the file has "
              + (size - 8)
              + " behind the length");
    }
    if (length > Limits.HEADER_BYTES - bytesBefore) {
      throw new InputException(
          file
              + ": the header is "
              + length
              + " bytes long; those of all weight files together may have "
              + Limits.HEADER_BYTES);
    }
    byte[] text = bytes(channel, 8, (int) length);
    checkText(file, text);
    var header = new SafetensorsHeader(file, 8 + length, size, Limits.TENSORS - tensorsBefore);
    return new Header(length, header.tiled(header.entries(text)));
  }

  private static void checkText(Path file, byte[] text) {
    if (text[0] != '{') {
      throw new InputException(file + ": the header does not begin with its object");
    }
    for (byte b : text) {
      if (b == 0) {
        throw new InputException(file + ": the header holds a zero byte");
      }
    }
  }

  private static byte[] bytes(FileChannel channel, long at, int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) >= 0) {}
    return buffer.hasRemaining()
        ? Arrays.copyOf(buffer.array(), buffer.position())
        : buffer.array();
  }

  private List<Entry> entries(byte[] text) throws IOException {
    var entries = new ArrayList<Entry>();
    try (JsonParser json = InputJson.parser(text)) {
      json.nextToken(); // the object that the text begins with
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String name = json.currentName();
        json.nextToken();
        if (name.equals("__metadata__")) {
          checkMetadata(json);
        } else if (entries.size() == capacity) {
          throw wrong(
              "the header lists more than the " + Limits.TENSORS + " tensors that are read");
        } else {
          entries.add(entry(name, json));
        }
      }
      if (json.nextToken() != null) {
        throw wrong("the header goes on behind its object");
      }
      return entries;
    } catch (JsonProcessingException e) {
      throw new InputException(file + ": the header " + InputJson.reason(e), e);
    }
  }

  /** Every byte of the data belongs to one tensor. */
  private List<Entry> tiled(List<Entry> entries) {
    entries.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::bytes));
    long end = data;
    for (Entry entry : entries) {
      if (entry.offset() != end) {
        throw wrong(
            "tensor "
                + entry.name()
                + " begins at byte "
                + (entry.offset() - data)
                + " of the data, but "
                + (end - data)
                + " was expected ("
                + (entry.offset() < end ? "tensors overlap" : "there is a hole")
                + ")");
      }
      end += entry.bytes();
    }
    if (end != size) {
      throw wrong("has " + (size - end) + " bytes that belong to no tensor");
    }
    return entries;
  }

  private void checkMetadata(JsonParser json) throws IOException {
    boolean texts = json.currentToken() == JsonToken.VALUE_NULL;
    if (json.currentToken() == JsonToken.START_OBJECT) {
      texts = true;
      while (texts && json.nextToken() == JsonToken.FIELD_NAME) {
        texts = json.nextToken() == JsonToken.VALUE_STRING;
      }
    }
    if (!texts) {
      throw wrong("__metadata__ may hold texts only");
    }
  }

  private Entry entry(String name, JsonParser json) throws IOException {
    String dtype = null;
    List<Long> shape = null;
    List<Long> offsets = null;
    if (json.currentToken() == JsonToken.START_OBJECT) {
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        json.nextToken();
        switch (field) {
          case "dtype" -> dtype = json.getValueAsString();
          case "shape" -> shape = sizes(name, json, Limits.DIMENSIONS);
          case "data_offsets" -> offsets = sizes(name, json, 2);
          default -> json.skipChildren();
        }
      }
    }
    if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
      throw wrong("tensor " + name + " has no dtype, no shape or no pair of data_offsets");
    }
    return entry(name, dtype, shape, offsets.get(0), offsets.get(1));
  }

  /** A list of at most {@code most} whole numbers from 0; null if it is something else. */
  private List<Long> sizes(String name, JsonParser json, int most) throws IOException {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      json.skipChildren();
      return null;
    }
    var sizes = new ArrayList<Long>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      boolean whole =
          json.currentToken() == JsonToken.VALUE_NUMBER_INT
              && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER
              && json.getLongValue() >= 0;
      if (!whole) {
        throw wrong(
            "tensor "
                + name
                + " has a size or an offset that is no whole number from 0 to 2^63 - 1");
      }
      if (sizes.size() == most) {
        throw wrong("tensor " + name + " has more than " + most + " sizes or offsets in a list");
      }
      sizes.add(json.getLongValue());
    }
    return List.copyOf(sizes);
  }

  private Entry entry(String name, String dtype, List<Long> shape, long from, long to) {
    long elements = 1;
    for (long d : shape) {
      if (Math.multiplyHigh(elements, d) != 0 || elements * d < 0) {
        throw wrong("tensor " + name + " of shape " + shape + " is absurdly large");
      }
      elements *= d;
    }
    if (to < from || to > size - data) {
      throw wrong(
          "tensor "
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
    Integer bits = BITS.get(dtype);
    if (bits != null
        && (elements > Long.MAX_VALUE / 64
            || elements * bits % 8 != 0
            || elements * bits / 8 != to - from)) {
      throw wrong(
          "tensor "
              + name
              + " has "
              + (to - from)
              + " bytes, which does not fit "
              + dtype
              + " of shape "
              + shape);
    }
    return new Entry(name, dtype, shape, file, data + from, to - from);
  }

  private InputException wrong(String reason) {
    return new InputException(file + ": " + reason);
  }
}
