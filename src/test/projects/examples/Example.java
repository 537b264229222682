import java.nio.file.Path;
import starling.*;

public class Example {
  public static void main(String[] args) {
    Path demo = Path.of("src/main/resources/starling/demo");
    try (Model model = Model.open(demo.resolve("model"))) {
      Question question =
          Question.of("What color is the heart?").image(demo.resolve("pictures/scene-00.png"));
      Answer answer = model.ask(question.prune("star:R=0.1,K=4,P=0.9"), System.out::print);
      System.out.println(
          "\n" + answer.visualTokens().input() + " -> " + answer.visualTokens().afterStage2());
      System.out.println("first kept patches " + answer.stages().get(1).kept().subList(0, 5));
    }
  }
}
