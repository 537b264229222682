package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Ids of Llama's own 32,000 tokens, as its tokenizer gives them. The vocabulary may not be shipped:
 * {@code STARLING_LLAMA_TOKENIZER} names a folder with its {@code tokenizer.json} (that of any
 * Llama 2, Vicuna 1.5 or llava-hf checkpoint), else the test is skipped.
 */
class RealVocabularyTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "grabbed|1 2646 1327 287",
        "           grabbed|1 9651 2646 1327 287",
        "Hello, world!|1 15043 29892 3186 29991",
        "\\n|1 29871 13",
        "ax\\n####\\nboo|1 4853 13 4136 13 833 29877",
        "\\ttabs\\t\\t\\t\\tout here|1 29871 12 21175 12 12 12 12 449 1244",
        "\u9547|1 29871 30411",
        "\ud83e\udd99\ua64a|1 29871 243 162 169 156 237 156 141",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
            + "|1 319 13563 1546 263 12758 1404 322 385 23116 21082 20255 29889 450 20255 4076 8444 29892 13173 29892 322 1248 568 6089 304 278 1404 29915 29879 5155 29889 3148 1001 29901 29871",
      })
  void theIdsAreLlamasOwn(String text, String ids) {
    String folder = System.getenv("STARLING_LLAMA_TOKENIZER");
    assumeTrue(folder != null, "STARLING_LLAMA_TOKENIZER names no folder with Llama's tokenizer");
    List<Integer> expected = Arrays.stream(ids.split(" ", -1)).map(Integer::valueOf).toList();
    String written = text.replace("\\n", "\n").replace("\\t", "\t");
    assertEquals(expected, Tokenizer.read(Path.of(folder)).encode(written));
  }
}
