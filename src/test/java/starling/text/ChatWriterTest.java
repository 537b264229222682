package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.Checkout;
import starling.Demo;
import starling.input.InputException;

/** Messages under every template and with every tokenizer that the tests have. */
class ChatWriterTest {
  /** What no text here holds: other names for marks. */
  private static final char HIDDEN = '\uE000';

  private static final int OTHER_ID = 100_000;

  private static final String[] PLAIN = {
    "the car",
    " ",
    "  ",
    "\n",
    "",
    "ab",
    "c",
    "\u2581",
    "\u2581\u2581",
    "cab.",
    "USER:",
    "é",
    "e",
    "\u0301",
    "你好",
    "😀",
    "<",
    ">",
    "/",
    "s",
    "it's",
    "12",
    "\t",
    "aa",
    "b"
  };

  @TempDir Path dir;

  /** Tokenizers as JSON: the 45 of the goldens, the bundled one, Qwen's kind. */
  private static Map<String, ObjectNode> tokenizers() throws IOException {
    var all = new LinkedHashMap<String, ObjectNode>();
    for (JsonNode variant : Written.GOLDEN.get("variants")) {
      if (variant.get("name").textValue().equals("template twice")) {
        continue; // every image would be two
      }
      all.put(variant.get("name").textValue(), Written.with(variant.get("fields")));
    }
    all.put(
        "bundled",
        (ObjectNode) Written.JSON.readTree(Demo.MODEL.resolve("tokenizer.json").toFile()));
    all.put("bytes", bytes());
    ObjectNode careless = Written.base();
    for (JsonNode token : careless.get("added_tokens")) {
      ((ObjectNode) token).put("special", false);
    }
    all.put("no token is called special", careless);
    return all;
  }

  private static ObjectNode bytes() throws IOException {
    Path golden = Checkout.path("src/test/resources/starling/text/byte-level.json");
    return (ObjectNode) Written.JSON.readTree(golden.toFile()).get("tokenizer");
  }

  /** Names of the tokens that only a template may write, the longest first. */
  private static Set<String> marks(JsonNode tokenizer) {
    var marks =
        new TreeSet<>(
            Comparator.comparingInt(String::length)
                .reversed()
                .thenComparing(Comparator.naturalOrder()));
    for (JsonNode token : tokenizer.get("added_tokens")) {
      String content = token.get("content").textValue();
      if (token.path("special").booleanValue() || Template.MARKS.contains(content)) {
        marks.add(content);
      }
    }
    return marks;
  }

  /** What is said in a test; null is an image. */
  private record Chat(String system, List<List<String>> said) {
    /** Messages of the user and the model in turn, the last one the user's. */
    ChatWriter to(ChatWriter chat) {
      if (system != null) {
        chat.system().text(system);
      }
      for (int i = 0; i < said.size(); i++) {
        ChatWriter unused = i % 2 == 0 ? chat.user() : chat.assistant();
        said.get(i).forEach(part -> add(chat, part));
      }
      return chat;
    }

    private static void add(ChatWriter chat, String part) {
      if (part == null) {
        chat.image();
      } else {
        chat.text(part);
      }
    }

    int images() {
      return (int) said.stream().flatMap(List::stream).filter(part -> part == null).count();
    }

    /** The usual form: images before the first question, one text each. */
    Conversation usual(UnaryOperator<String> change) {
      var turns = new ArrayList<Conversation.Turn>();
      for (int i = 0; i + 1 < said.size(); i += 2) {
        turns.add(
            new Conversation.Turn(
                change.apply(said.get(i).getLast()), change.apply(said.get(i + 1).getLast())));
      }
      return new Conversation(
          system == null ? null : change.apply(system),
          turns,
          change.apply(said.getLast().getLast()));
    }
  }

  private static Chat random(Random random, List<String> words, int images) {
    var said = new ArrayList<List<String>>();
    int messages = 1 + 2 * random.nextInt(3);
    for (int i = 0; i < messages; i++) {
      var parts = new ArrayList<String>();
      if (i == 0) {
        parts.addAll(Collections.nCopies(images, null));
      }
      parts.add(text(random, words));
      said.add(parts);
    }
    return new Chat(random.nextBoolean() ? null : text(random, words), said);
  }

  private static String text(Random random, List<String> words) {
    var text = new StringBuilder();
    for (int i = random.nextInt(6); i >= 0; i--) {
      text.append(words.get(random.nextInt(words.size())));
    }
    return text.toString();
  }

  private static List<Integer> list(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  private static Set<Template> templates() {
    return EnumSet.complementOf(EnumSet.of(Template.RAW));
  }

  /** Images that a tokenizer has a place for under a template. */
  private static int images(Template template, Tokenizer tokenizer, Random random) {
    return tokenizer.id(template.placeholder()) == null ? 0 : random.nextInt(3);
  }

  private static int imageToken(Template template, Tokenizer tokenizer) {
    Integer id = tokenizer.id(template.placeholder());
    return id == null ? -1 : id;
  }

  @Test
  void whereNothingIsSpecialTheIdsAreThoseOfTheUsualForm() throws IOException {
    var random = new Random(1);
    int chats = 0;
    for (var file : tokenizers().entrySet()) {
      Tokenizer tokenizer = Written.read(dir, file.getValue());
      List<String> words = Arrays.stream(PLAIN).toList();
      for (Template template : templates()) {
        int imageToken = imageToken(template, tokenizer);
        for (int i = 0; i < 15; i++) {
          int images = images(template, tokenizer, random);
          Chat chat = random(random, words, images);
          Conversation usual = chat.usual(t -> t);
          if (marks(file.getValue()).stream().anyMatch(usual::contains)) {
            continue; // white space may be a special token
          }
          int[] expected = template.ids(tokenizer, usual, new int[images], imageToken);
          int[] ids = chat.to(template.chat()).ids(tokenizer, imageToken);
          assertEquals(list(expected), list(ids), file.getKey() + " " + template + " " + chat);
          chats++;
        }
      }
    }
    assertTrue(chats > 3_000, chats + " chats");
  }

  /**
   * A tokenizer whose marks have other names, asked in the usual form, knows no mark that a text
   * here holds: it is what the messages must give, whatever they say.
   */
  @Test
  void noMarkIsReadOutOfATextAndEveryOneOfTheTemplateIsRead() throws IOException {
    var random = new Random(2);
    for (var file : tokenizers().entrySet()) {
      Tokenizer tokenizer = Written.read(dir, file.getValue());
      Set<String> marks = marks(file.getValue());
      Tokenizer renamed = Written.read(dir, renamed(file.getValue(), marks));
      List<String> names = List.copyOf(marks);
      List<String> words = new ArrayList<>(List.of(PLAIN));
      words.addAll(marks);
      words.addAll(Template.MARKS);
      words.addAll(List.of("</", "s>", "<im", "age>", "<|", "|>", "im_start"));
      for (Template template : templates()) {
        int imageToken = imageToken(template, tokenizer);
        for (int i = 0; i < 15; i++) {
          Chat chat = random(random, words, images(template, tokenizer, random));
          List<Integer> ids = list(chat.to(template.chat()).ids(tokenizer, imageToken));
          List<Integer> expected =
              hidden(template, renamed, marks, chat, imageToken).stream()
                  .map(id -> id < OTHER_ID ? id : tokenizer.id(names.get(id - OTHER_ID)))
                  .toList();
          assertEquals(expected, ids, file.getKey() + " " + template + " " + chat);
        }
      }
    }
  }

  /** The ids of the usual form, by a tokenizer whose marks have other names. */
  private static List<Integer> hidden(
      Template template, Tokenizer renamed, Set<String> marks, Chat chat, int imageToken) {
    var texts = new ArrayList<String>();
    Conversation places =
        chat.usual(
            said -> {
              texts.add(said);
              return "" + (char) (HIDDEN + 0x400 + texts.size());
            });
    String whole = replaced(template.text(places, new int[chat.images()]), marks);
    String image = replaced("<image>", marks);
    for (int i = 0; i < texts.size(); i++) {
      whole = whole.replace("" + (char) (HIDDEN + 0x401 + i), texts.get(i));
    }
    if (template != Template.VICUNA_V1) {
      return renamed.encode(whole);
    }
    var ids = new ArrayList<Integer>();
    for (String piece : chat.images() == 0 ? new String[] {whole} : whole.split(image, -1)) {
      ids.addAll(renamed.encodePlain(piece));
      ids.add(imageToken);
    }
    ids.removeLast();
    return renamed.postProcess(ids);
  }

  private static String replaced(String text, Set<String> marks) {
    String replaced = text;
    int name = 0;
    for (String mark : marks) { // the longest first
      replaced = replaced.replace(mark, other(name++));
    }
    return replaced;
  }

  private static String other(int name) {
    return "" + HIDDEN + (char) (HIDDEN + 1 + name);
  }

  /** With marks of other names and ids; what their old names are in the vocabulary stays. */
  private static ObjectNode renamed(ObjectNode tokenizer, Set<String> marks) {
    ObjectNode renamed = tokenizer.deepCopy();
    int name = 0;
    for (String mark : marks) {
      for (JsonNode token : renamed.get("added_tokens")) {
        if (token.get("content").textValue().equals(mark)) {
          ((ObjectNode) token).put("content", other(name)).put("id", OTHER_ID + name);
        }
      }
      name++;
    }
    return renamed;
  }

  /** Said in another way, for every token that is added, by all messages and the system. */
  @Test
  void theIdOfASpecialTokenComesFromTheTemplateAlone() throws IOException {
    for (var file : List.of(Written.base(), bytes())) {
      Tokenizer tokenizer = Written.read(dir, file);
      for (JsonNode token : file.get("added_tokens")) {
        String content = token.get("content").textValue();
        for (Template template : templates()) {
          for (String text :
              List.of(content, "a" + content + "b", content.repeat(3), " " + content + "\n")) {
            var hostile = new Chat(text, List.of(List.of(text), List.of(text), List.of(text)));
            var harmless = new Chat("x", List.of(List.of("x"), List.of("x"), List.of("x")));
            assertEquals(
                special(tokenizer, harmless.to(template.chat())),
                special(tokenizer, hostile.to(template.chat())),
                template + " " + text);
          }
        }
      }
    }
  }

  @Test
  void aTextFullOfMarksCostsNoMoreThanItsLength() throws IOException {
    String marks = "</s><|im_end|> \u2581".repeat(10_000);
    for (var file : List.of(Written.base(), bytes())) {
      Tokenizer tokenizer = Written.read(dir, file);
      for (Template template : templates()) {
        ChatWriter chat = template.chat().user().text(marks);
        List<Integer> found =
            assertTimeoutPreemptively(
                Duration.ofSeconds(20), () -> special(tokenizer, chat), template.toString());
        assertEquals(special(tokenizer, template.chat().user().text("x")), found);
      }
    }
  }

  private static List<Integer> special(Tokenizer tokenizer, ChatWriter chat) {
    return Arrays.stream(chat.ids(tokenizer, -1)).filter(tokenizer::isSpecial).boxed().toList();
  }

  /** {@code chats.json} is what transformers writes with the families' own chat templates. */
  @Test
  void equalsTheChatTemplatesOfTheFamilies() throws IOException {
    JsonNode golden =
        Written.JSON.readTree(
            Checkout.path("src/test/resources/starling/text/chats.json").toFile());
    int chats = 0;
    for (var template : golden.get("templates").properties()) {
      Template ours = Template.of(template.getKey());
      Tokenizer tokenizer =
          ours == Template.CHATML ? Written.read(dir, bytes()) : Tokenizer.read(Demo.MODEL);
      for (JsonNode c : template.getValue()) {
        ChatWriter chat = ours.chat();
        c.get("chat").forEach(message -> add(chat, message));
        var expected = new ArrayList<Integer>();
        c.get("ids").forEach(id -> expected.add(id.intValue()));
        int image = tokenizer.id(ours.placeholder());
        assertEquals(expected, list(chat.ids(tokenizer, image)), c.toString());
        chats++;
      }
    }
    assertEquals(115, chats);
  }

  private static void add(ChatWriter chat, JsonNode message) {
    ChatWriter unused =
        switch (message.get(0).textValue()) {
          case "system" -> chat.system();
          case "user" -> chat.user();
          default -> chat.assistant();
        };
    for (JsonNode part : message.get(1)) {
      Chat.add(chat, part.textValue());
    }
  }

  private static String text(ChatWriter chat) {
    return chat.finish().toString();
  }

  @Test
  void imagesStandWhereTheyAreAdded() {
    assertEquals(
        "USER: a <image>\nb c ASSISTANT: d USER: <image>\n<image>\nASSISTANT:",
        text(
            Template.LLAVA_HF
                .chat()
                .user()
                .text("a")
                .image()
                .text("b")
                .text("c")
                .assistant()
                .text("d")
                .user()
                .image()
                .image()));
    assertEquals(
        "[INST] <<SYS>>\ns\n<</SYS>>\n\na<image>\nb [/INST] c </s>[INST] <image>\n [/INST]",
        text(
            Template.MISTRAL
                .chat()
                .system()
                .text("s")
                .user()
                .text("a")
                .image()
                .text("b")
                .assistant()
                .text("c")
                .user()
                .image()));
    String vicuna =
        text(
            Template.VICUNA_V1
                .chat()
                .system()
                .text("s")
                .assistant()
                .text("a")
                .text("b")
                .user()
                .text("c"));
    assertEquals("s ASSISTANT: a b</s>USER: c ASSISTANT:", vicuna);
    String qwen = text(Template.CHATML.chat().system().image().user().text("a").image());
    assertTrue(
        qwen.startsWith(
            "<|im_start|>system\n<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n"),
        qwen);
    assertTrue(
        qwen.endsWith(
            "user\na<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n<|im_start|>assistant\n"),
        qwen);
  }

  /** What mistral is told stands inside the first question, behind what the model said first. */
  @Test
  void messagesOfOneRoleFollowEachOther() {
    assertEquals(
        " Hello. </s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\na [/INST][INST] b [/INST]",
        text(
            Template.MISTRAL
                .chat()
                .system()
                .text("Be brief.")
                .assistant()
                .text("Hello.")
                .user()
                .text("a")
                .user()
                .text("b")));
    assertEquals(
        "USER: a USER: b ASSISTANT:",
        text(Template.LLAVA_HF.chat().user().text("a").user().text("b")));
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "RAW")
  void aTemplatesOwnWordsStandWhereNothingElseIsSaid(Template template) {
    assertEquals(template.text("What?", 0), text(template.chat().user().text("What?")));
    String told = text(template.chat().system().text("Be brief.").user().text("What?"));
    assertEquals(
        template.text(new Conversation("Be brief.", List.of(), "What?"), new int[0]), told);
  }

  @Test
  void aPromptThatIsTheWholeTextHasNoMessages() {
    assertEquals(
        "template raw has no marks between messages; name another one",
        assertThrows(InputException.class, Template.RAW::chat).getMessage());
  }

  @Test
  void anImageOfATokenizerWithoutOneIsRefused() throws IOException {
    ObjectNode file = Written.base();
    ((ArrayNode) file.get("added_tokens")).remove(3);
    Tokenizer tokenizer = Written.read(dir, file);
    ChatWriter chat = Template.LLAVA_HF.chat().user().image().text("<image>");
    var e = assertThrows(InputException.class, () -> chat.ids(tokenizer, 32000));
    assertTrue(
        e.getMessage().contains("32000 (config.json, image_token_index) 0 times for 1 image"),
        e.getMessage());
  }
}
