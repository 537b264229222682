package starling.text;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Chat templates that write what is written here, and others, which are warned about. */
class ChatTemplateTest {
  /** That of llava-hf/llava-1.5-7b-hf. */
  private static final String LLAVA_HF =
      "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}"
          + "{% endif %}{# Render all images first #}{% for content in message['content'] |"
          + " selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}"
          + "{% if message['role'] != 'assistant' %}{% for content in message['content'] |"
          + " selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}"
          + "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}"
          + "{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
          + "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

  private static final List<String> OURS =
      List.of(
          LLAVA_HF,
          LLAVA_HF.replace("'<image>\n'", "\"<image>\\n\""),
          LLAVA_HF + "{{ m['a'] + m['z'] }}",
          LLAVA_HF + "{#} Be brief. #}",
          "{{ bos_token }}USER: <image>\n{{ question }} ASSISTANT:",
          "{{ 'USER: <image>\\n' + text + ' ASSISTANT:' }}{{ raise_exception('Only users may ask') }}");

  private static final List<String> OTHERS =
      List.of(
          "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' }}"
              + "{% endfor %}{{ '<|im_start|>assistant\\n' }}",
          "{{ bos_token }}{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}",
          LLAVA_HF.replace("'ASSISTANT:'", "'### ASSISTANT:'"),
          LLAVA_HF.replace("{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}", ""),
          LLAVA_HF + "{% set x = 'Be brief.' %}",
          "Be brief." + LLAVA_HF,
          "{{ 'never closed",
          "{{ never closed",
          "never opened {",
          "{# never closed",
          "");

  @TempDir Path dir;

  @Test
  void aTemplateLikeOursIsNoMatter() throws IOException {
    assertNull(ChatTemplate.warning(dir));
    for (String template : OURS) {
      Files.writeString(dir.resolve("chat_template.jinja"), template);
      assertNull(ChatTemplate.warning(dir), template);
    }
  }

  @Test
  void anotherIsNamedWithItsFile() throws IOException {
    for (String template : OTHERS) {
      Files.writeString(dir.resolve("chat_template.jinja"), template);
      String warning = ChatTemplate.warning(dir);
      assertTrue(
          warning.contains("chat_template.jinja has a chat template that is not llava-hf's"),
          warning);
    }
    Files.writeString(
        dir.resolve("chat_template.jinja"),
        "{{ 'A chat between a curious user and an assistant. USER: ' }} ASSISTANT:");
    assertTrue(ChatTemplate.warning(dir).contains("vicuna_v1"));
  }

  /** The file that transformers takes first counts; of several templates the default. */
  @Test
  void everyPlaceOfATemplateIsLookedAt() throws IOException {
    String other = OTHERS.getFirst();
    for (String name :
        List.of("tokenizer_config.json", "processor_config.json", "chat_template.json")) {
      json(name, Map.of("chat_template", other));
      String warning = ChatTemplate.warning(dir);
      assertTrue(warning.contains(name), warning);
      json(name, Map.of("chat_template", LLAVA_HF));
      assertNull(ChatTemplate.warning(dir), name);
      json(
          name,
          Map.of(
              "chat_template",
              List.of(
                  Map.of("name", "tool_use", "template", other),
                  Map.of("name", "default", "template", LLAVA_HF))));
      assertNull(ChatTemplate.warning(dir), name);
    }
  }

  private void json(String name, Map<String, Object> fields) throws IOException {
    Files.write(dir.resolve(name), new ObjectMapper().writeValueAsBytes(fields));
  }
}
