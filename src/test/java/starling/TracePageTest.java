package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;

/** The page about traces says what a trace is, and what replay makes of one. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TracePageTest {
  private static final String PAGE = Pages.read(Pages.FOLDER.resolve("trace.md"));
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern FIELD =
      Pattern.compile("(?m)^\\| `([\\w.\\[\\]]+)` \\| ([\\w ,]+) \\|");
  private static final Map<Type, String> TYPES =
      Map.of(
          int.class, "whole number",
          Integer.class, "whole number",
          long.class, "whole number",
          double.class, "number",
          Float.class, "number",
          String.class, "text",
          DeviceType.class, "text",
          DType.class, "text",
          boolean.class, "true or false",
          Boolean.class, "true or false");

  /** Those that are absent where they do not apply. */
  private static final Set<String> OPTIONAL =
      Set.of(
          "repetition_penalty",
          "image_options",
          "first_logits",
          "logprobs",
          "stages[].crop",
          "stages[].counted");

  /** What differs from run to run, or from machine to machine. */
  private static final Set<String> OF_THE_RUN = Set.of("device_description", "timings_ms");

  @TempDir static Path dir;
  private String out;
  private JsonNode trace;

  @BeforeAll
  void run() throws Exception {
    Files.writeString(dir.resolve("heart.json"), Pages.example("heart.json"));
    out = Pages.run("trace.sh", dir);
    trace = JSON.readTree(dir.resolve("trace.json").toFile());
  }

  @Test
  void theCommandsPrintWhatThePageSays() {
    assertEquals(Pages.example("trace.out"), out);
  }

  @Test
  void theExampleIsTheTraceOfTheFirstCommand() throws IOException {
    assertSame("", JSON.readTree(Pages.example("trace.json")), trace);
  }

  private static void assertSame(String at, JsonNode shown, JsonNode real) {
    if (OF_THE_RUN.contains(at) && !shown.isObject()) {
      return;
    }
    if (shown.isObject()) {
      assertEquals(names(shown), names(real), at);
      for (String name : names(shown)) {
        if (!OF_THE_RUN.contains(at)) {
          assertSame(at.isEmpty() ? name : at + "." + name, shown.get(name), real.get(name));
        }
      }
    } else if (shown.isArray()) {
      boolean cut = !shown.isEmpty() && shown.get(shown.size() - 1).asText().equals("…");
      int n = cut ? shown.size() - 1 : real.size();
      assertTrue(cut ? real.size() > n : shown.size() == n, at);
      for (int i = 0; i < n; i++) {
        assertSame(at + "[]", shown.get(i), real.get(i));
      }
    } else if (shown.isFloatingPointNumber()) { // sums are added in another order elsewhere
      assertEquals(shown.doubleValue(), real.doubleValue(), 1e-4 * shown.doubleValue(), at);
    } else {
      assertEquals(shown, real, at);
    }
  }

  private static List<String> names(JsonNode object) {
    return object.properties().stream().map(Map.Entry::getKey).toList();
  }

  @Test
  void theTableHasEveryFieldWithItsType() {
    var documented = new TreeMap<String, String>();
    FIELD.matcher(PAGE).results().forEach(m -> documented.put(m.group(1), m.group(2)));
    var real = new TreeMap<String, String>();
    addFields("", Answer.class, real);
    assertEquals(real, documented);
    var written = new TreeSet<String>();
    addFields("", trace, written);
    assertEquals(
        real.keySet().stream().filter(TracePageTest::isThere).collect(Collectors.toSet()), written);
  }

  private static boolean isThere(String field) {
    return OPTIONAL.stream().noneMatch(o -> field.equals(o) || field.startsWith(o + "[]."));
  }

  private static void addFields(String prefix, Class<?> type, Map<String, String> fields) {
    for (RecordComponent component : type.getRecordComponents()) {
      String name = prefix + SnakeCaseStrategy.INSTANCE.translate(component.getName());
      String optional = OPTIONAL.contains(name) ? ", optional" : "";
      if (component.getType() == List.class) {
        Type element = ((ParameterizedType) component.getGenericType()).getActualTypeArguments()[0];
        fields.put(name, TYPES.getOrDefault(element, "object") + "s" + optional);
        if (element instanceof Class<?> c && c.isRecord()) {
          addFields(name + "[].", c, fields);
        }
      } else {
        fields.put(name, kind(component.getType()) + optional);
        if (component.getType().isRecord()) {
          addFields(name + ".", component.getType(), fields);
        }
      }
    }
  }

  private static String kind(Class<?> type) {
    return type.isEnum() ? "text" : TYPES.getOrDefault(type, "object");
  }

  private static void addFields(String prefix, JsonNode node, Set<String> fields) {
    for (var field : node.properties()) {
      String name = prefix + field.getKey();
      fields.add(name);
      if (field.getValue().isArray()) {
        field.getValue().forEach(element -> addFields(name + "[].", element, fields));
      }
      addFields(name + ".", field.getValue(), fields);
    }
  }

  @Test
  void replayReadsTheFieldsThatThePageNamesAndNoOther() throws IOException {
    var bare = JSON.createObjectNode();
    for (JsonNode stage : trace.get("stages")) {
      ObjectNode entry = bare.withArray("stages").addObject();
      for (String field : List.of("kept", "layer", "image", "stage")) {
        entry.set(field, stage.get(field));
      }
    }
    Files.writeString(dir.resolve("bare.json"), bare.toString());
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      Answer answer = ask(model, "bare.json");
      assertEquals(
          JSON.convertValue(trace.get("output_tokens"), List.class), answer.outputTokens());
      for (int i = 0; i < 2; i++) {
        JsonNode kept = trace.get("stages").get(i).get("kept");
        assertEquals(JSON.convertValue(kept, List.class), answer.stages().get(i).kept());
        assertEquals(List.of(), answer.stages().get(i).scores());
      }
    }
  }

  private Answer ask(Model model, String file) {
    return model.ask(
        Question.of("What color is the heart?")
            .image(Demo.image("scene-00.png"))
            .prune("replay:" + dir.resolve(file)));
  }

  @Test
  void everyRefusalIsTheSentenceOfThePage() throws IOException {
    String entry = "{\"stage\": 1, \"image\": 0, \"layer\": 0, \"kept\": [4, 5]}";
    var broken =
        List.of(
            "{}",
            stages(entry.replace(", \"layer\": 0", "")),
            stages(entry.replace("\"image\": 0", "\"image\": 1")),
            stages(entry, entry.replace("\"layer\": 0", "\"layer\": 1, \"crop\": 1")),
            stages(entry.replace("4, 5", "")),
            stages(entry.replace("4, 5", "5, 4")),
            stages(
                entry,
                entry
                    .replace("\"stage\": 1", "\"stage\": 2")
                    .replace(": 0, \"kept\": [4, 5", ": 4, \"kept\": [6")),
            stages(
                entry
                    .replace("\"stage\": 1", "\"stage\": 2")
                    .replace("\"layer\": 0", "\"layer\": 8")));
    Pattern row = Pattern.compile("(?m)^\\| [^|`]+ \\| ([^|]+) \\|$");
    String table = PAGE.substring(PAGE.indexOf("the sentence behind the file's name"));
    List<String> sentences = row.matcher(table).results().map(m -> m.group(1)).skip(1).toList();
    assertEquals(broken.size(), sentences.size());
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      for (int i = 0; i < broken.size(); i++) {
        Files.writeString(dir.resolve("broken.json"), broken.get(i));
        var refused = assertThrows(InputException.class, () -> ask(model, "broken.json"));
        assertEquals(dir.resolve("broken.json") + ": " + sentences.get(i), refused.getMessage());
      }
      Files.writeString(dir.resolve("broken.json"), stages());
      assertEquals(576, ask(model, "broken.json").visualTokens().afterStage2());
    }
  }

  private static String stages(String... entries) {
    return "{\"stages\": [" + String.join(", ", entries) + "]}";
  }
}
