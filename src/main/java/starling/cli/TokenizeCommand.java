package starling.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import starling.checkpoint.CheckpointFolder;
import starling.input.InputException;
import starling.input.Limits;
import starling.text.Tokenizer;

/** Text to token ids. */
@Command(name = "tokenize", description = "Turns the UTF-8 text on standard input into token ids.")
@SuppressWarnings("UnusedVariable") // --json is accepted, and changes nothing
final class TokenizeCommand implements Callable<Integer> {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "folder with tokenizer.json")
  private Path model;

  @Option(names = "--json", description = "the output is JSON with or without it")
  private boolean json;

  record Tokens(List<Integer> ids, String decoded) {}

  @Override
  public Integer call() {
    if (!Files.exists(model.resolve("tokenizer.json"))) {
      CheckpointFolder.check(model);
    }
    Tokenizer tokenizer = Tokenizer.read(model);
    List<Integer> ids = tokenizer.encode(standardInput());
    System.out.println(Output.json(new Tokens(ids, tokenizer.decode(ids, true))));
    return 0;
  }

  private static String standardInput() {
    try {
      byte[] bytes = System.in.readNBytes((int) Limits.TEXT_BYTES + 1);
      if (bytes.length > Limits.TEXT_BYTES) {
        throw new InputException(
            "standard input is longer than the "
                + (Limits.TEXT_BYTES >> 20)
                + " MiB that are read");
      }
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new InputException("standard input is not UTF-8 text", e);
    } catch (IOException e) {
      throw new InputException("standard input cannot be read", e);
    }
  }
}
