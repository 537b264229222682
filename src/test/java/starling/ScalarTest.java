package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import starling.device.Device;
import starling.device.DeviceType;

/** What a program sees with and without the Vector API's module and FMA; runs once in each. */
class ScalarTest {
  @Test
  void theDeviceSaysWhichPathItTakesAndPrintsNothing() {
    boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    try (Device device = Devices.open(DeviceType.CPU)) {
      assertTrue(
          device.description().contains(module ? "Vector API" : "scalar"), device.description());
    }
  }

  @Test
  void withoutFmaTheDeviceSaysSo() {
    boolean off = ManagementFactory.getRuntimeMXBean().getInputArguments().contains("-XX:-UseFMA");
    boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    try (Device device = Devices.open(DeviceType.CPU)) {
      assertTrue(!off || !Devices.fma());
      assertEquals(
          module && !Devices.fma(), device.description().contains("no FMA"), device.description());
    }
  }

  @Test
  void answersAreTheSame() {
    try (Model model = Model.open(Demo.MODEL)) {
      Question question = Question.of("What color is the heart?").image(Demo.image("scene-00.png"));
      assertEquals("yellow", model.ask(question).text());
      assertEquals("yellow", model.ask(question.prune("star:R=0.1,K=4,P=0.9")).text());
    }
  }
}
