package starling.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import starling.input.InputFile;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * The chat template that a checkpoint brings, a program in Jinja. It is not run: what is looked at
 * are the texts in it, which tell whether it writes what one of the {@link Template}s writes.
 */
public final class ChatTemplate {
  /** What llava-hf's templates write, white space apart. */
  private static final Set<String> LLAVA =
      Set.of(
          "",
          ":",
          "USER",
          "USER:",
          "ASSISTANT",
          "ASSISTANT:",
          "<image>",
          "USER: <image>",
          "<s>",
          "</s>");

  /** What Qwen2.5-VL's write; a video cannot be asked about. */
  private static final Set<String> QWEN =
      Set.of(
          "",
          ":",
          "Picture",
          "Video",
          "<|im_start|>",
          "<|im_end|>",
          "<|im_start|>system You are a helpful assistant.<|im_end|>",
          "<|im_start|>assistant",
          "<|vision_start|><|image_pad|><|vision_end|>",
          "<|vision_start|><|video_pad|><|vision_end|>");

  private static final List<String> QWENS_OWN =
      List.of(
          "<|im_start|>system You are a helpful assistant.<|im_end|>",
          "<|im_start|>assistant",
          "<|vision_start|><|image_pad|><|vision_end|>");

  private static final Set<String> MISTRAL =
      Set.of("", "[INST]", "[/INST]", "<image>", "<<SYS>>", "<</SYS>>", "<s>", "</s>");

  private ChatTemplate() {}

  /**
   * A sentence about the chat template of a checkpoint folder that writes something else than the
   * model's prompts here; null if it has none, or one like ours.
   *
   * @param usual the template of the model's family
   */
  public static String warning(Path dir, Template usual) {
    Path jinja = dir.resolve("chat_template.jinja");
    if (Files.exists(jinja)) {
      byte[] text = InputFile.read(jinja, Limits.JSON_BYTES);
      return warning(jinja, new String(text, StandardCharsets.UTF_8), usual);
    }
    for (String name :
        List.of("chat_template.json", "processor_config.json", "tokenizer_config.json")) {
      Path file = dir.resolve(name);
      if (Files.exists(file)) {
        JsonNode template = byDefault(InputJson.read(file).path("chat_template"));
        if (!template.isMissingNode() && !template.isNull()) {
          return warning(file, template.asText(), usual);
        }
      }
    }
    return null;
  }

  /** Of several named templates the default one. */
  private static JsonNode byDefault(JsonNode templates) {
    for (JsonNode named : templates) {
      if (named.path("name").asText().equals("default")) {
        return named.path("template");
      }
    }
    return templates.isArray() ? templates.path(0).path("template") : templates;
  }

  private static String warning(Path file, String template, Template usual) {
    Template own = likeOurs(template);
    if (own == usual) {
      return null;
    }
    return file
        + " has a chat template that is not "
        + usual.label()
        + "'s; prompts are written as "
        + (own != null ? "--template says, and " + own.label() + " may be the one" : all(usual))
        + ", unless they hold "
        + usual.placeholder()
        + " themselves";
  }

  private static String all(Template usual) {
    return usual.text("…", 0).strip().replaceAll("\\s+", " ") + " all the same";
  }

  /** The template here that writes the same, as far as texts tell; or null. */
  private static Template likeOurs(String template) {
    if (template.contains("A chat between a curious ")) {
      return template.contains("curious human") ? Template.NEXT_VICUNA : Template.VICUNA_V1;
    }
    List<String> texts = texts(template);
    if (LLAVA.containsAll(texts) && texts.contains("ASSISTANT:")) {
      return Template.LLAVA_HF;
    }
    if (QWEN.containsAll(texts) && texts.containsAll(QWENS_OWN)) {
      return Template.CHATML;
    }
    return MISTRAL.containsAll(texts) && texts.contains("[/INST]") ? Template.MISTRAL : null;
  }

  /** What the template may write: text outside of tags, and quoted text that is no name. */
  private static List<String> texts(String template) {
    var texts = new ArrayList<String>();
    int at = 0;
    while (at < template.length()) {
      int open = tag(template, at);
      add(texts, template.substring(at, open));
      if (open == template.length()) {
        break;
      }
      boolean comment = template.charAt(open + 1) == '#';
      at = comment ? behindComment(template, open + 2) : quoted(template, open + 2, texts);
    }
    return texts;
  }

  private static int tag(String template, int from) {
    for (int i = from; i + 1 < template.length(); i++) {
      if (template.charAt(i) == '{' && "{%#".indexOf(template.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return template.length();
  }

  private static int behindComment(String template, int from) {
    int end = template.indexOf("#}", from);
    return end < 0 ? template.length() : end + 2;
  }

  /** Adds the quoted texts up to the end of a tag; returns where it ends. */
  private static int quoted(String template, int from, List<String> texts) {
    int i = from;
    while (i < template.length()) {
      char c = template.charAt(i);
      if (c == '\'' || c == '"') {
        int end = i + 1;
        while (end < template.length() && template.charAt(end) != c) {
          end += template.charAt(end) == '\\' ? 2 : 1;
        }
        String text = template.substring(i + 1, Math.min(end, template.length()));
        if (!isName(text)
            && !template.startsWith("raise_exception(", i - "raise_exception(".length())) {
          add(texts, text);
        }
        i = end + 1;
      } else if ((c == '}' || c == '%') && template.startsWith("}", i + 1)) {
        return i + 2;
      } else {
        i++;
      }
    }
    return template.length();
  }

  /** Keys, filters and tests: {@code 'role'}, {@code 'equalto'}. */
  private static boolean isName(String text) {
    return !text.isEmpty() && text.chars().allMatch(c -> c == '_' || (c >= 'a' && c <= 'z'));
  }

  private static void add(List<String> texts, String text) {
    texts.add(text.replace("\\n", " ").strip().replaceAll("\\s+", " "));
  }
}
