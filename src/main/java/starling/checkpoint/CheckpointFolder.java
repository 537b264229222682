package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import starling.input.FileKind;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.InputJson;

/**
 * A folder that should hold a checkpoint in the Hugging Face layout, and what it holds if it does
 * not.
 */
public final class CheckpointFolder {
  private static final String WANTED =
      "a checkpoint is a folder in the Hugging Face layout, with config.json and safetensors";

  private static final Pattern HUB_ID = Pattern.compile("[A-Za-z0-9][\\w.-]*/[\\w.-]+");

  /** Entries of a folder that are looked at. */
  private static final int MAX_FILES = 10_000;

  private CheckpointFolder() {}

  /**
   * Refuses what is no folder, and a folder without {@code config.json}, by the name of what it is.
   *
   * @throws InputException with a sentence that begins with the path
   */
  public static void check(Path dir) {
    if (!Files.exists(dir)) {
      InputFile.refuseAddress(dir);
      throw new InputException(
          dir
              + ": there is no such folder"
              + (HUB_ID.matcher(dir.toString()).matches()
                  ? "; checkpoints are not downloaded, fetch it first (hf download "
                      + dir
                      + " --local-dir FOLDER)"
                  : ""));
    }
    if (!Files.isDirectory(dir)) {
      throw aFile(dir);
    }
    if (!Files.exists(dir.resolve("config.json"))) {
      String what = inside(dir);
      throw new InputException(
          dir.resolve("config.json")
              + ": there is no such file; "
              + (what == null ? WANTED : "the folder holds " + what));
    }
  }

  /** The {@code model_type} that {@code config.json} states; {@code llava} if it states none. */
  public static String modelType(Path dir) {
    check(dir);
    return Fields.read(dir.resolve("config.json")).text("model_type", "llava");
  }

  /**
   * The token that {@code tokenizer_config.json} ends texts with, for checkpoints whose
   * configuration names no end token; null if that file does not either.
   */
  public static String endToken(Path dir) {
    Path file = dir.resolve("tokenizer_config.json");
    if (!Files.exists(file)) {
      return null;
    }
    Fields fields = Fields.read(file);
    return fields.node().path("eos_token").isObject()
        ? fields.object("eos_token").text("content", null)
        : fields.text("eos_token", null);
  }

  private static InputException aFile(Path file) {
    InputFile.checkedSize(file);
    FileKind kind = FileKind.UNKNOWN;
    try (InputStream in = Files.newInputStream(file)) {
      kind = FileKind.of(in.readNBytes(FileKind.BYTES));
    } catch (IOException e) {
      // What it is stays unknown.
    }
    if (kind == FileKind.SAFETENSORS || kind == FileKind.UNKNOWN) {
      return new InputException(
          file
              + ": is a file"
              + (file.toString().endsWith(".onnx") ? " (ONNX, which is not read)" : "")
              + "; "
              + WANTED);
    }
    return kind.instead(file.toString(), "the folder of a checkpoint");
  }

  /**
   * What a folder without weights or without configuration holds, as part of a sentence, and what
   * to do; null if it is nothing known.
   */
  public static String inside(Path dir) {
    List<String> names = names(dir);
    if (names.contains("adapter_config.json") || names.contains("adapter_model.safetensors")) {
      return "an adapter of " + base(dir) + ", which has to be merged into that model first";
    }
    for (Sign sign : SIGNS) {
      String found = first(names, sign.names);
      if (found != null) {
        return sign.sentence.replace("NAME", found);
      }
    }
    for (String name : names) {
      if (Files.exists(dir.resolve(name).resolve("config.json"))) {
        return "no checkpoint itself, but " + name + " inside has a config.json";
      }
    }
    return null;
  }

  /**
   * What a file says of its folder.
   *
   * @param names the file's, as a pattern
   * @param sentence with {@code NAME} for its name
   */
  private record Sign(String names, String sentence) {}

  /** In order: the first sign that a file of the folder matches decides. */
  private static final List<Sign> SIGNS =
      List.of(
          new Sign(
              "model(\\.|-).*\\.safetensors|.*\\.safetensors\\.index\\..*json",
              "NAME, another variant; give it (or a link) the name model.safetensors[.index.json]"),
          new Sign(
              ".*\\.gguf",
              "NAME, and GGUF is not read; use the checkpoint in the Hugging Face layout"),
          new Sign(
              "onnx|.*\\.onnx",
              "a model in ONNX, which is not read; use the checkpoint in safetensors"),
          new Sign(
              "consolidated.*|params\\.json|tekken\\.json",
              "NAME, the layout of Mistral and Meta; use the checkpoint in the Hugging Face layout"),
          new Sign(
              "mm_projector\\.bin",
              "mm_projector.bin, a part of the original LLaVA; use the llava-hf checkpoint"),
          new Sign(
              "pytorch_model.*\\.bin(\\.index\\.json)?|tf_model\\.h5|flax_model\\.msgpack"
                  + "|rust_model\\.ot|.*\\.(bin|pt|pth|ckpt|h5|msgpack)",
              "NAME, which is not read; use the llava-hf checkpoint of this model, in safetensors"),
          new Sign("model_index\\.json", "a pipeline of diffusers, not a LLaVA checkpoint"),
          new Sign(
              "snapshots",
              "the downloads of a model; the checkpoint is one of the folders in snapshots"),
          new Sign(
              ".*\\.safetensors",
              "NAME, weights without a configuration or under a name that is not read"));

  private static String base(Path dir) {
    Path file = dir.resolve("adapter_config.json");
    if (Files.exists(file)) {
      JsonNode base = InputJson.read(file).path("base_model_name_or_path");
      if (base.isTextual()) {
        return base.textValue();
      }
    }
    return "another model";
  }

  private static String first(List<String> names, String pattern) {
    return names.stream().filter(name -> name.matches(pattern)).findFirst().orElse(null);
  }

  private static List<String> names(Path dir) {
    try (Stream<Path> files = Files.list(dir)) {
      return files.limit(MAX_FILES).map(file -> file.getFileName().toString()).sorted().toList();
    } catch (IOException | UncheckedIOException e) {
      throw new InputException(dir + ": the folder cannot be read", e);
    }
  }
}
