package example.embedder;

import starling.DemoData;
import starling.Model;
import starling.Question;
import starling.device.DType;
import starling.device.DeviceType;

/** {@code Look DEVICE}: the demo's first question, answered on a device. */
public final class Look {
  private Look() {}

  public static void main(String[] args) {
    try (DemoData demo = DemoData.unpack();
        Model model = Model.open(demo.model(), DeviceType.of(args[0]), DType.F32)) {
      DemoData.Item first = demo.questions().getFirst();
      var answer = model.ask(Question.of(first.text()).image(demo.image(first.image())));
      System.out.println(
          answer.device().label() + ": " + answer.text() + " of " + demo.questions().size());
    } catch (RuntimeException e) {
      System.out.println(e.getMessage());
    }
  }
}
