package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.input.InputException;

/** The words of the command line and of reports, and the types they stand for. */
class TypeLabelsTest {
  @ParameterizedTest
  @EnumSource
  void everyDeviceIsFoundByItsLabel(DeviceType type) {
    assertEquals(type, DeviceType.of(type.label()));
  }

  @Test
  void theLabelsOfDevicesAreThoseOfTheCommandLine() {
    assertEquals(List.of("auto", "cpu", "cuda", "emulated"), DeviceType.labels());
  }

  @ParameterizedTest
  @ValueSource(strings = {"tpu", "CPU", "", "cpu "})
  void aDeviceThatIsNotThereIsRefusedWithThoseThatAre(String label) {
    var refused = assertThrows(InputException.class, () -> DeviceType.of(label));
    assertEquals(
        "device '" + label + "' is not one of auto, cpu, cuda, emulated", refused.getMessage());
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void aTypeOfActivationsIsFoundByItsLabel(DType type) {
    assertEquals(type, DType.of(type.label()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"i32", "u8", "fp16", ""})
  void aTypeThatActivationsCannotHaveIsRefused(String label) {
    var refused = assertThrows(InputException.class, () -> DType.of(label));
    assertEquals("dtype '" + label + "' is not one of f32, bf16, f16", refused.getMessage());
  }
}
