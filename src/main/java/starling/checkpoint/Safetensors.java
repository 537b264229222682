package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import starling.device.DType;
import starling.device.InputException;
import starling.device.Stored;

/**
 * The weight files of a checkpoint folder, memory-mapped: the shards that {@code
 * model.safetensors.index.json} names, or {@code model.safetensors} alone. Headers are checked in
 * full when opened; tensors are views of the files. Closing unmaps them, and views become unusable.
 */
public final class Safetensors implements AutoCloseable {
  private final Path dir;
  private final Arena arena = Arena.ofShared();
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Set<String> used = new HashSet<>();
  private final Map<Path, MemorySegment> mapped = new HashMap<>();

  /**
   * A tensor as the header lists it.
   *
   * @param dtype the format's name of the type
   * @param file the file that holds it
   * @param offset first byte in that file
   */
  public record Entry(
      String name, String dtype, List<Long> shape, Path file, long offset, long bytes) {}

  private Safetensors(Path dir) {
    this.dir = dir;
  }

  /** Opens a checkpoint folder. Nothing but headers is read. */
  public static Safetensors open(Path dir) {
    var weights = new Safetensors(dir);
    try {
      Path index = dir.resolve("model.safetensors.index.json");
      if (Files.exists(index)) {
        weights.readShards(index);
      } else {
        weights.readFile(dir.resolve("model.safetensors"));
      }
      return weights;
    } catch (RuntimeException e) {
      weights.close();
      throw e;
    }
  }

  Path dir() {
    return dir;
  }

  /** All tensors, whether the model uses them or not. */
  public Collection<Entry> entries() {
    return entries.values();
  }

  /** Whether {@link #get} was asked for a tensor. */
  public boolean used(String name) {
    return used.contains(name);
  }

  public boolean has(String name) {
    return entries.containsKey(name);
  }

  /**
   * A tensor the model uses.
   *
   * @param shape the shape the configuration asks for
   * @param fields the configuration fields that shape comes from
   */
  public Stored get(String name, List<Integer> shape, String fields) {
    used.add(name);
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new InputException(dir + ": tensor " + name + " is missing from the weight files");
    }
    if (!entry.shape().equals(shape.stream().map(Integer::longValue).toList())) {
      throw new InputException(
          entry.file()
              + ": tensor "
              + name
              + " has shape "
              + entry.shape()
              + ", but config.json ("
              + fields
              + ") asks for "
              + shape);
    }
    DType dtype =
        switch (entry.dtype()) {
          case "F32" -> DType.F32;
          case "F16" -> DType.F16;
          case "BF16" -> DType.BF16;
          default ->
              throw new InputException(
                  entry.file()
                      + ": tensor "
                      + name
                      + " has type "
                      + entry.dtype()
                      + "; F32, F16 and BF16 are supported");
        };
    return new Stored(
        name, dtype, shape, mapped.get(entry.file()).asSlice(entry.offset(), entry.bytes()));
  }

  private void readShards(Path index) {
    JsonNode map = Fields.readJson(index, "the shard index").path("weight_map");
    if (!map.isObject()) {
      throw new InputException(index + ": field weight_map is missing or not an object");
    }
    var shards = new TreeSet<String>();
    for (var tensor : map.properties()) {
      String shard = tensor.getValue().asText();
      if (!shard.matches("[^/\\\\\\x00]+")
          || shard.equals("..")
          || !tensor.getValue().isTextual()) {
        throw new InputException(
            index
                + ": weight_map sends tensor "
                + tensor.getKey()
                + " to '"
                + shard
                + "', which is no file name in this folder");
      }
      shards.add(shard);
    }
    for (String shard : shards) {
      readFile(dir.resolve(shard));
    }
    for (var tensor : map.properties()) {
      Entry entry = entries.get(tensor.getKey());
      if (entry == null
          || !entry.file().getFileName().toString().equals(tensor.getValue().asText())) {
        throw new InputException(
            index
                + ": tensor "
                + tensor.getKey()
                + " is not in "
                + tensor.getValue().asText()
                + ", where weight_map places it");
      }
    }
  }

  private void readFile(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      JsonNode header = SafetensorsHeader.read(file, channel, size);
      long data = 8 + SafetensorsHeader.length(file, channel, size);
      mapped.put(file, channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
      addEntries(file, header, data, size);
    } catch (IOException e) {
      throw new InputException(
          file + (Files.exists(file) ? ": the weights cannot be read" : ": " + absent(file)), e);
    }
  }

  private void addEntries(Path file, JsonNode header, long data, long size) {
    var own = new ArrayList<Entry>();
    for (var field : header.properties()) {
      if (field.getKey().equals("__metadata__")) {
        SafetensorsHeader.checkMetadata(file, field.getValue());
      } else {
        own.add(SafetensorsHeader.entry(file, field.getKey(), field.getValue(), data, size));
      }
    }
    own.sort(Comparator.comparingLong(Entry::offset).thenComparingLong(Entry::bytes));
    long end = data;
    for (Entry entry : own) {
      if (entry.offset() != end) {
        throw new InputException(
            file
                + ": tensor "
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
      if (entries.put(entry.name(), entry) != null) {
        throw new InputException(file + ": tensor " + entry.name() + " is also in another shard");
      }
    }
    if (end != size) {
      throw new InputException(file + ": has " + (size - end) + " bytes that belong to no tensor");
    }
  }

  /**
   * Finds the reason of a fault while a tensor was read.
   *
   * @throws InputException if a file is shorter now than it was when it was opened
   */
  public void checkWhole() {
    mapped.forEach(
        (file, bytes) -> {
          long size = file.toFile().length();
          if (size < bytes.byteSize()) {
            throw new InputException(
                file
                    + ": was cut from "
                    + bytes.byteSize()
                    + " to "
                    + size
                    + " bytes while it was in use; weight files must not change while the model is"
                    + " open");
          }
        });
  }

  /** PyTorch's own files hold programs, which are not run. */
  private static String absent(Path file) {
    for (String name : List.of("pytorch_model.bin", "pytorch_model.bin.index.json")) {
      if (Files.exists(file.resolveSibling(name))) {
        return "is missing, and "
            + name
            + " beside it is not read; use the llava-hf checkpoint of this model, in safetensors";
      }
    }
    return "there is no such weight file";
  }

  /** Unmaps the files; harmless when repeated. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
