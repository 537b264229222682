package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.checkpoint.SafetensorsFile.Raw;

/** The bundled model under Robin's names gives the same answer, dense and pruned. */
class RobinTest {
  private static String robin(String name) {
    return name.replaceFirst("^vision_tower\\.vision_model\\.", "tower.")
        .replaceFirst("^multi_modal_projector\\.linear_1", "first")
        .replaceFirst("^multi_modal_projector\\.linear_2", "second")
        .replaceFirst("^language_model\\.model\\.", "decoder.")
        .replaceFirst("^language_model\\.lm_head", "head");
  }

  @Test
  void anAnswerIsTheSame(@TempDir Path dir) throws Exception {
    CheckpointCopy llava = CheckpointCopy.in(dir.resolve("llava"));
    CheckpointCopy robin =
        CheckpointCopy.in(dir.resolve("robin"))
            .json(
                "config.json",
                config -> {
                  ObjectNode own = config.objectNode();
                  own.put("model_type", "robin").put("image_id", 501).put("end_id", 2);
                  own.set("tower", config.get("vision_config"));
                  own.set("decoder", config.get("text_config"));
                  config.removeAll().setAll(own);
                })
            .weights(
                tensors -> {
                  Map<String, Raw> own = new LinkedHashMap<>();
                  tensors.forEach((name, tensor) -> own.put(robin(name), tensor));
                  tensors.clear();
                  tensors.putAll(own);
                });
    for (String spec : new String[] {"none", "star:R=0.1,K=4,P=0.9"}) {
      assertEquals(llava.answer(spec).text(), robin.answer(spec).text());
    }
  }
}
