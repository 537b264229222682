package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes small safetensors files, whole or damaged. */
public final class SafetensorsFile {

  /** A tensor to write; {@code bytes} fit {@code shape} only if the test wants them to. */
  public record Raw(String dtype, List<Integer> shape, byte[] bytes) {
    /** F32 of the given shape: 0, 1, 2 … plus {@code first}. */
    public static Raw f32(float first, Integer... shape) {
      int elements = 1;
      for (int d : shape) {
        elements *= d;
      }
      ByteBuffer bytes = ByteBuffer.allocate(4 * elements).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < elements; i++) {
        bytes.putFloat(first + i);
      }
      return new Raw("F32", List.of(shape), bytes.array());
    }
  }

  private SafetensorsFile() {}

  /** Tensors in the order of the map. */
  public static void write(Path file, Map<String, Raw> tensors) throws IOException {
    List<String> fields = new ArrayList<>();
    ByteBuffer data =
        ByteBuffer.allocate(tensors.values().stream().mapToInt(t -> t.bytes.length).sum());
    tensors.forEach(
        (name, t) -> {
          int begin = data.position();
          data.put(t.bytes);
          fields.add(tensor(name, t.dtype, t.shape.toString(), begin, data.position()));
        });
    writeHeader(file, "{" + String.join(",", fields) + "}", data.array());
  }

  /** All tensors of a file, in the order of its header. */
  public static Map<String, Raw> read(Path file) throws IOException {
    byte[] all = Files.readAllBytes(file);
    int header = (int) ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getLong();
    JsonNode fields =
        new ObjectMapper().readTree(new String(all, 8, header, StandardCharsets.UTF_8));
    var tensors = new LinkedHashMap<String, Raw>();
    for (var field : fields.properties()) {
      JsonNode t = field.getValue();
      if (!field.getKey().equals("__metadata__")) {
        List<Integer> shape = new ArrayList<>();
        t.get("shape").forEach(d -> shape.add(d.intValue()));
        int begin = 8 + header + t.at("/data_offsets/0").intValue();
        int end = 8 + header + t.at("/data_offsets/1").intValue();
        tensors.put(
            field.getKey(),
            new Raw(t.get("dtype").textValue(), shape, Arrays.copyOfRange(all, begin, end)));
      }
    }
    return tensors;
  }

  /** Under haotian-liu's names, with the tower inside. */
  public static Map<String, Raw> originalNames(Map<String, Raw> tensors) {
    var renamed = new LinkedHashMap<String, Raw>();
    tensors.forEach(
        (name, t) ->
            renamed.put(
                name.replaceFirst("^vision_tower\\.", "model.vision_tower.vision_tower.")
                    .replaceFirst("^multi_modal_projector\\.linear_1", "model.mm_projector.0")
                    .replaceFirst("^multi_modal_projector\\.linear_2", "model.mm_projector.2")
                    .replaceFirst("^language_model\\.", ""),
                t));
    return renamed;
  }

  /** The header's field for one tensor. */
  public static String tensor(String name, String dtype, String shape, Object begin, Object end) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%s,%s]}"
        .formatted(name, dtype, shape, begin, end);
  }

  /** A file with any header text and any data. */
  public static void writeHeader(Path file, String header, byte[] data) throws IOException {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer all =
        ByteBuffer.allocate(8 + text.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(file, all.putLong(text.length).put(text).put(data).array());
  }
}
