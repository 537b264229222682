import java.nio.file.Path;
import starling.*;

class HandedOver {
  static Answer ask(Model model, Path file) {
    Question question = Question.of("What color is the heart?").image(file);
    return model.ask(question.prune(new Pyramid(0.5, 2)));
  }
}
