package starling.text;

import java.nio.file.Path;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import starling.HostCost;

/**
 * The bundled tokenizer. Like Llama's it does not split text into words first, so a text is one
 * piece of merges whatever its length; its vocabulary is small (501 tokens), which makes more
 * tokens of a text than Llama's 32000 would.
 */
public class Tokenizing extends HostCost {
  private static final String QUESTION = "How many red objects are there to the left of the heart?";

  private Tokenizer tokenizer;
  private String text;

  @Setup
  public void read() {
    tokenizer = Tokenizer.read(Path.of("src/demo/resources/starling/demo/model"));
    text = (QUESTION + " ").repeat(100_000 / QUESTION.length() + 1).substring(0, 100_000);
  }

  /** 12 words, 56 characters: one question as it is asked. */
  @Benchmark
  public List<Integer> question() {
    return tokenizer.encode(QUESTION);
  }

  /** 100,000 bytes: a time of 10 ms is 10 MB per second, or 100 ns per byte. */
  @Benchmark
  public List<Integer> text100KB() {
    return tokenizer.encode(text);
  }
}
