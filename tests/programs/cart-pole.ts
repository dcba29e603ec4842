// A pole on a cart, as in Gym's CartPole-v1, in plain numbers; the reward is the pole's height.

export class CartPole {
  #state: readonly number[] = [];

  reset(state: readonly number[]): readonly number[] {
    this.#state = state;
    return state;
  }

  step(action: number): { observation: readonly number[]; reward: number; terminated: boolean } {
    const [x = 0, speed = 0, angle = 0, spin = 0] = this.#state;
    const force = action === 1 ? 10 : -10;
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
    const push = (force + 0.05 * spin ** 2 * sin) / 1.1;
    const turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1));
    const acceleration = push - (0.05 * turn * cos) / 1.1;
    this.#state = [x + 0.02 * speed, speed + 0.02 * acceleration, angle + 0.02 * spin, spin + 0.02 * turn];
    const [place = 0, , tilt = 0] = this.#state;
    const terminated = Math.abs(place) > 2.4 || Math.abs(tilt) > 0.2095;
    return { observation: this.#state, reward: Math.cos(tilt), terminated };
  }
}
