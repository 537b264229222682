package starling.fuzz;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import starling.Checkout;
import starling.text.Tokenizer;

/**
 * Any bytes as {@code tokenizer.json}; or, after {@code t}, as a text for the bundled one. What is
 * read must encode and decode.
 */
public final class TokenizerFuzz {
  private static final Path DIR = Fuzzed.folder();
  private static final Tokenizer GOOD =
      Tokenizer.read(Checkout.path("src/demo/resources/starling/demo/model"));

  private TokenizerFuzz() {}

  public static void fuzzerTestOneInput(byte[] data) {
    if (data.length > 0 && data[0] == 't') {
      String text = new String(Arrays.copyOfRange(data, 1, data.length), StandardCharsets.UTF_8);
      Fuzzed.read(() -> use(GOOD, text));
      return;
    }
    Fuzzed.read(
        () -> {
          Files.write(DIR.resolve("tokenizer.json"), data);
          use(Tokenizer.read(DIR), "What is <image> \u00e9\n  in </s>it? \ud83d\ude00");
        });
  }

  private static void use(Tokenizer tokenizer, String text) {
    List<Integer> ids = tokenizer.encode(text);
    tokenizer.decode(ids, true);
    var decoding = tokenizer.decoding();
    for (int id : ids) {
      decoding.next(id);
    }
    decoding.finish();
  }
}
