package starling.fuzz;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.List;
import starling.Checkout;
import starling.text.ChatWriter;
import starling.text.Template;
import starling.text.Tokenizer;

/**
 * Any bytes as {@code tokenizer.json}; or, after {@code t}, as a text for the bundled one, and
 * after {@code b} for one of Qwen's kind; or, after {@code m}, as messages for both. What is read
 * must encode and decode; of Qwen's kind nothing may get lost but the form of what is composed; a
 * message has no special token but its template's.
 */
public final class TokenizerFuzz {
  private static final Path DIR = Fuzzed.folder();
  private static final Tokenizer GOOD =
      Tokenizer.read(Checkout.path("src/demo/resources/starling/demo/model"));

  private static final Tokenizer BYTES = bytes();

  private TokenizerFuzz() {}

  private static Tokenizer bytes() {
    try {
      Path golden = Checkout.path("src/test/resources/starling/text/byte-level.json");
      JsonNode tokenizer = new ObjectMapper().readTree(golden.toFile()).get("tokenizer");
      Files.writeString(DIR.resolve("tokenizer.json"), tokenizer.toString());
      return Tokenizer.read(DIR);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static void fuzzerTestOneInput(byte[] data) {
    boolean bytes = data.length > 0 && data[0] == 'b';
    if (bytes || (data.length > 0 && data[0] == 't')) {
      String text = new String(Arrays.copyOfRange(data, 1, data.length), StandardCharsets.UTF_8);
      Fuzzed.read(
          () -> {
            String back = use(bytes ? BYTES : GOOD, text);
            if (bytes && !back.equals(Normalizer.normalize(text, Normalizer.Form.NFC))) {
              throw new IllegalStateException("'" + text + "' came back as '" + back + "'");
            }
          });
      return;
    }
    if (data.length > 0 && data[0] == 'm') {
      String text = new String(Arrays.copyOfRange(data, 1, data.length), StandardCharsets.UTF_8);
      Fuzzed.read(
          () -> {
            say(GOOD, Template.LLAVA_HF, text);
            say(GOOD, Template.VICUNA_V1, text);
            say(GOOD, Template.MISTRAL, text);
            say(BYTES, Template.CHATML, text);
          });
      return;
    }
    Fuzzed.read(
        () -> {
          Files.write(DIR.resolve("tokenizer.json"), data);
          use(Tokenizer.read(DIR), "What is <image> \u00e9\n  in </s>it? \ud83d\ude00");
        });
  }

  /** The text of the tokens. */
  private static String use(Tokenizer tokenizer, String text) {
    List<Integer> ids = tokenizer.encode(text);
    tokenizer.decode(ids, true);
    var decoding = tokenizer.decoding();
    for (int id : ids) {
      decoding.next(id);
    }
    decoding.finish();
    return tokenizer.decode(ids, false);
  }

  private static void say(Tokenizer tokenizer, Template template, String text) {
    long expected = specialTokens(tokenizer, template, "x");
    long found = specialTokens(tokenizer, template, text);
    if (found != expected) {
      throw new IllegalStateException(
          template + " has " + found + " special tokens around '" + text + "', not " + expected);
    }
  }

  /** Of messages that all say the same, one of them with an image. */
  private static long specialTokens(Tokenizer tokenizer, Template template, String text) {
    ChatWriter chat = template.chat().system().text(text).user().text(text).image().text(text);
    chat.assistant().text(text).user().text(text);
    int[] ids = chat.ids(tokenizer, tokenizer.id(template.placeholder()));
    return Arrays.stream(ids).filter(tokenizer::isSpecial).count();
  }
}
