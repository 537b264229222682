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
    assertNull(ChatTemplate.warning(dir, Template.LLAVA_HF));
    for (String template : OURS) {
      Files.writeString(dir.resolve("chat_template.jinja"), template);
      assertNull(ChatTemplate.warning(dir, Template.LLAVA_HF), template);
    }
  }

  @Test
  void anotherIsNamedWithItsFile() throws IOException {
    for (String template : OTHERS) {
      Files.writeString(dir.resolve("chat_template.jinja"), template);
      String warning = ChatTemplate.warning(dir, Template.LLAVA_HF);
      assertTrue(
          warning.contains("chat_template.jinja has a chat template that is not llava-hf's"),
          warning);
    }
    Files.writeString(
        dir.resolve("chat_template.jinja"),
        "{{ 'A chat between a curious user and an assistant. USER: ' }} ASSISTANT:");
    assertTrue(ChatTemplate.warning(dir, Template.LLAVA_HF).contains("vicuna_v1"));
  }

  /** Qwen2.5-VL's own, and llava-v1.6-mistral's as it was published. */
  @Test
  void templatesOfTheOtherFamiliesAreKnown() throws IOException {
    String qwen =
        "{% set image_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role']"
            + " != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{"
            + " message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else"
            + " %}{% for content in message['content'] %}{% if 'image_url' in content %}{% if add_vision_id %}Picture"
            + " {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'video' in"
            + " content %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}"
            + "{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}"
            + "<|im_start|>assistant\n{% endif %}";
    String mistral =
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' }}{{ '<image>\n' }}{{ m['text'] }}"
            + "{{ ' [/INST]' }}{% else %}{{ ' ' + m['text'] + '</s> ' }}{% endif %}{% endfor %}";
    known(qwen, Template.CHATML);
    known(mistral, Template.MISTRAL);
    known("{{ 'A chat between a curious human and' }} ASSISTANT:", Template.NEXT_VICUNA);
    String strange = qwen.replace("You are a helpful assistant.", "Be brief.");
    Files.writeString(dir.resolve("chat_template.jinja"), strange);
    String warning = ChatTemplate.warning(dir, Template.CHATML);
    assertTrue(warning.contains("that is not chatml's; prompts are written as <|im_start|>system"));
    assertTrue(warning.contains("all the same, unless they hold <|image_pad|>"), warning);
  }

  private void known(String template, Template own) throws IOException {
    Files.writeString(dir.resolve("chat_template.jinja"), template);
    assertNull(ChatTemplate.warning(dir, own), own.toString());
    String warning = ChatTemplate.warning(dir, Template.LLAVA_HF);
    assertTrue(warning.contains("not llava-hf's"), warning);
    assertTrue(warning.contains(own.label() + " may be the one"), warning);
  }

  /** The file that transformers takes first counts; of several templates the default. */
  @Test
  void everyPlaceOfATemplateIsLookedAt() throws IOException {
    String other = OTHERS.getFirst();
    for (String name :
        List.of("tokenizer_config.json", "processor_config.json", "chat_template.json")) {
      json(name, Map.of("chat_template", other));
      String warning = ChatTemplate.warning(dir, Template.LLAVA_HF);
      assertTrue(warning.contains(name), warning);
      json(name, Map.of("chat_template", LLAVA_HF));
      assertNull(ChatTemplate.warning(dir, Template.LLAVA_HF), name);
      json(
          name,
          Map.of(
              "chat_template",
              List.of(
                  Map.of("name", "tool_use", "template", other),
                  Map.of("name", "default", "template", LLAVA_HF))));
      assertNull(ChatTemplate.warning(dir, Template.LLAVA_HF), name);
    }
  }

  private void json(String name, Map<String, Object> fields) throws IOException {
    Files.write(dir.resolve(name), new ObjectMapper().writeValueAsBytes(fields));
  }
}
